"""`make sbom` and `make audit`: the bill of materials, and what advisories say of it."""

import argparse
import json
import sys
from pathlib import Path

from supply.advisories import AdvisoriesError, findings_of, read_advisories
from supply.bom import bill_of
from supply.inside import WheelError, crates_of
from supply.licences import unlicensed
from supply.locks import LockError, read_all

ROOT = Path(__file__).parents[1]


def main(words: list[str] | None = None) -> int:
    """Do what is asked; 0 where nothing is wrong, 1 where something is found, 2 for a fault."""
    parser = argparse.ArgumentParser(
        prog="python -m supply",
        description="The bill of materials (CycloneDX 1.6) of the lock files, and what advisories "
        "say of it.\nBeside it: every pin has digests, and licences are of those allowed.",
        epilog="example:\n  python -m supply bom build/kench.cdx.json\n"
        "  python -m supply audit advisories/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("bom", "audit"), help="what to do")
    parser.add_argument(
        "path",
        type=Path,
        help="the file to write; or OSV advisories: JSON, ZIP (all.zip of PyPI, npm, crates.io), "
        "a folder",
    )
    given = parser.parse_args(words)
    try:
        packages = read_all(ROOT)
        if given.what == "bom":
            given.path.parent.mkdir(parents=True, exist_ok=True)
            given.path.write_text(json.dumps(bill_of(packages, ROOT), indent=1) + "\n")
            sys.stdout.write(f"{given.path}: {len(packages)} packages\n")
            return 0
        crates = crates_of(packages)
        found, count = findings_of([*packages, *crates], read_advisories(given.path))
    except (LockError, WheelError, AdvisoriesError, OSError) as error:
        sys.stderr.write(f"supply: {error}\n")
        return 2
    odd = unlicensed(packages)
    for line in [*map(str, found), *odd]:
        sys.stdout.write(line + "\n")
    sys.stdout.write(
        f"{len(packages)} packages, {len(crates)} crates inside, {count} advisories: "
        f"{len(found)} found; {len(odd)} licences to be looked at\n"
    )
    if not count:
        sys.stderr.write(f"supply: {given.path} holds no advisory: nothing was compared\n")
        return 2
    return 1 if found or odd else 0


if __name__ == "__main__":
    sys.exit(main())
