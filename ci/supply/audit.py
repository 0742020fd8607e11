"""Holds Cargo.lock against deny.toml where cargo-deny is not installed: licences, sources, banned crates; and against a copy of the
RustSec advisories if ADVISORY_DB names one (https://github.com/RustSec/advisory-db). Exit 1 and one line for each breach.

A floor, not a proof: expressions of licences are read as AND of ORs, and a copy of the advisories is as old as it is.
"""

import os
import pathlib
import re
import sys
import tomllib

from crates import metadata

ALLOWED_SOURCE = "registry+https://github.com/rust-lang/crates.io-index"


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be met with what is allowed."""
    tokens = re.findall(r"\(|\)|[^\s()/]+|/", expression.replace(" WITH ", "~"))
    place = 0

    def ors():
        nonlocal place
        met = ands()
        while place < len(tokens) and tokens[place] in ("OR", "/"):
            place += 1
            met = ands() or met
        return met

    def ands():
        nonlocal place
        met = one()
        while place < len(tokens) and tokens[place] == "AND":
            place += 1
            met = one() and met
        return met

    def one():
        nonlocal place
        token = tokens[place]
        place += 1
        if token == "(":
            met = ors()
            place += 1
            return met
        return token.replace("~", " WITH ") in allowed

    return ors()


def version(text):
    numbers = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?", text.strip())
    major, minor, patch, pre = numbers.groups()
    # A release is after all its pre-releases.
    return (int(major), int(minor or 0), int(patch or 0), pre is None, pre or "")


def matches(requirement, found):
    """Whether a version meets `>=1.2.3, <2` or `^1.2.3`, as advisories write them."""
    for part in requirement.split(","):
        sign, number = re.match(r"\s*(>=|<=|>|<|=|\^|~)?\s*(.+)", part).groups()
        bound, base = version(number), version(number)
        if sign in (None, "^"):
            upper = (base[0] + 1, 0, 0) if base[0] else (0, base[1] + 1, 0) if base[1] else (0, 0, base[2] + 1)
            met = bound <= found and found[:3] < upper
        elif sign == "~":
            met = bound <= found and found[:3] < (base[0], base[1] + 1, 0)
        else:
            met = {">=": found >= bound, "<=": found <= bound, ">": found > bound, "<": found < bound, "=": found == bound}[sign]
        if not met:
            return False
    return True


def advisories(database, packages):
    known = {}
    for package in packages:
        known.setdefault(package["name"], []).append(package["version"])
    for file in sorted(pathlib.Path(database, "crates").glob("*/RUSTSEC-*.md")):
        if file.parent.name not in known:
            continue
        head = file.read_text().split("```toml", 1)[1].split("```", 1)[0]
        told = tomllib.loads(head)
        advisory, versions = told["advisory"], told.get("versions", {})
        if advisory.get("withdrawn") or advisory.get("informational"):
            continue
        safe = versions.get("patched", []) + versions.get("unaffected", [])
        for found in known[file.parent.name]:
            if not any(matches(one, version(found)) for one in safe):
                yield f"{advisory['package']} {found}: {advisory['id']}; patched: {', '.join(versions.get('patched', [])) or 'no'}"


def main():
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    allowed = set(rules["licenses"]["allow"])
    banned = {one["crate"]: one["reason"] for one in rules["bans"]["deny"]}
    packages = [package for package in metadata()["packages"] if package["source"]]
    breaches = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["source"] != ALLOWED_SOURCE:
            breaches.append(f"{name}: comes from {package['source']}")
        if package["name"] in banned:
            breaches.append(f"{name}: banned, because {banned[package['name']]}")
        if not package["license"] or not is_allowed(package["license"], allowed):
            breaches.append(f"{name}: its licence {package['license']!r} is not among those of deny.toml")
    database = os.environ.get("ADVISORY_DB")
    if database:
        breaches += advisories(database, packages)
    for breach in breaches:
        print(breach)
    told = "and the advisories of ADVISORY_DB" if database else "ADVISORY_DB names no copy of the advisories, so they were not asked"
    print(f"{len(packages)} crates held against deny.toml; {told}", file=sys.stderr)
    return 1 if breaches else 0


sys.exit(main())
