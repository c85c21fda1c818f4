"""What a simulation finds of a section: figures before and then, changes, what it assumes."""

from dataclasses import dataclass, field
from typing import NamedTuple

from kench.pool.orders.rules import Section

DAYS = 30
ROWS_MAX = 20
"""Lines of a table that are shown: the largest changes."""


class Figure(NamedTuple):
    """One number by the rules in force, and with the order; texts, as the page writes them."""

    label: str
    before: str
    then: str


class Row(NamedTuple):
    """One line of a table: a participant, lot, day or deadline."""

    what: str
    before: str
    then: str


@dataclass(slots=True)
class Finding:
    """All that is found of one section."""

    section: Section
    figures: list[Figure] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    rows_title: str = ""
    assumes: list[str] = field(default_factory=list)
    """What it takes for granted, in words."""
    without: str = ""
    """Why nothing can be said, where nothing can."""
