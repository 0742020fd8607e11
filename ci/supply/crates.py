"""What is built in: the packages that `cargo metadata` finds below one program, without what only tests and builds of tests need.

Read by audit.py and sbom.py. Not a resolver: cargo has resolved.
"""

import json
import subprocess


def metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    for triple in ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"):
        command += ["--filter-platform", triple]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def below(found, program):
    """The packages that end up in `program`, by id, with the ids each asks for."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    packages = {package["id"]: package for package in found["packages"]}
    roots = [key for key, package in packages.items() if package["name"] == program and not package["source"]]
    edges, waiting = {}, list(roots)
    while waiting:
        key = waiting.pop()
        if key in edges:
            continue
        # A kind of null is an ordinary dependency; "dev" is for tests, "build" runs while building and is shipped by nobody.
        kept = [dep["pkg"] for dep in nodes[key]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        edges[key] = kept
        waiting += kept
    return {key: (packages[key], edges[key]) for key in edges}
