"""What a check found: how grave it is, in words, and what mends it."""

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple


class Level(IntEnum):
    """How grave a finding is."""

    OK = 0
    WARN = 1
    BAD = 2


class Finding(NamedTuple):
    """One line: the check, what was seen, and the setting or command that mends it."""

    check: str
    level: Level
    says: str
    mend: str = ""


Check = Callable[[], Iterable[Finding]]


def ok(check: str, says: str) -> Finding:
    """Nothing to change."""
    return Finding(check, Level.OK, says)


def warn(check: str, says: str, mend: str) -> Finding:
    """It works today."""
    return Finding(check, Level.WARN, says, mend)


def bad(check: str, says: str, mend: str) -> Finding:
    """Something of the pool does not work, or loses what it promises to keep."""
    return Finding(check, Level.BAD, says, mend)


def by_bounds(  # noqa: PLR0913 - a measure and what is said of it
    check: str, value: float, says: str, mend: str, *, warn_from: float, bad_from: float
) -> Finding:
    """Judge a number of which less is better."""
    if value >= bad_from:
        return bad(check, says, mend)
    if value >= warn_from:
        return warn(check, says, mend)
    return ok(check, says)
