"""Prints the bill of materials of one program as CycloneDX 1.5 JSON: `sbom.py azimuth-agent`. Names what cargo resolved, with licence,
checksum and who asks for what. Not a scan of the binary. The same commit prints the same bytes.
"""

import json
import re
import sys
import tomllib

from crates import below, metadata


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, sums):
    found = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        # Older crates write `/` where SPDX says OR.
        found["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return found


def main():
    program = sys.argv[1]
    with open("Cargo.lock", "rb") as lock:
        sums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(lock)["package"]}
    tree = below(metadata(), program)
    packages = {key: package for key, (package, _) in tree.items()}
    root = next(package for package in packages.values() if package["name"] == program)
    others = sorted((p for p in packages.values() if p is not root), key=purl)
    print(
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.5",
                "version": 1,
                "metadata": {"component": {**component(root, sums), "type": "application"}},
                "components": [component(package, sums) for package in others],
                "dependencies": [
                    {"ref": purl(package), "dependsOn": sorted({purl(packages[to]) for to in asked})}
                    for package, asked in sorted(tree.values(), key=lambda one: purl(one[0]))
                ],
            },
            indent=1,
        )
    )


main()
