"""Which licences parts of a state's pool may have, and what is said of the odd ones."""

import re
from collections.abc import Iterable

from supply.locks import Package

ALLOWED = (
    "MIT", "BSD", "Apache", "ISC", "PSF", "Python", "MPL", "Mozilla", "LGPL", "Lesser", "ZPL",
    "Zope", "0BSD", "Unlicense", "CC0", "CC-BY", "HPND", "PostgreSQL", "BlueOak", "Public Domain",
    "CNRI",
)  # fmt: skip
"""Words of licences that oblige nobody to publish what uses them."""
REFUSED = re.compile(r"(?<!L)\bA?GPL|Affero|(?<!Lesser )General Public|SSPL|BUSL|Proprietary")
"""And those that do, or that are no free ones, whatever stands beside them."""
REASONS = {
    "pyphen": "GPL 2, LGPL 2.1 or MPL 1.1, as one chooses: we take the MPL",
    "node-forge": "BSD or GPL 2, as one chooses: we take the BSD licence",
}
"""A package that these words alone would refuse, and why it may be used."""


def unlicensed(packages: Iterable[Package]) -> list[str]:
    """Return a line for each package whose licence is known and not allowed."""
    return [
        f"{package.purl}: {package.licence}"
        for package in packages
        if package.licence
        and package.name not in REASONS
        and (
            REFUSED.search(package.licence)
            or not any(word.lower() in package.licence.lower() for word in ALLOWED)
        )
    ]
