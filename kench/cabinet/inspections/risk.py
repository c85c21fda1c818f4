"""Whom to inspect first: a score of what the pool itself can see, and why. The rules are data.

Nothing here accuses anybody: who mines little or has no luck for a while has points too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from kench.cabinet.inspections.poisson import poisson_at_most
from kench.cabinet.words.catalogues import N_

GIGA = 10**9
RECENT_DAYS, FOUND_DAYS = 30, 90
"""What is measured is of so many days; blocks are rare, so more of them are looked at."""
_DAY_S = 86_400


class Factor(StrEnum):
    """What may speak for an inspection."""

    WITHHOLDING = "withholding"
    HASHRATE = "hashrate"
    IDLE = "idle"
    REFUSED = "refused"
    ADDRESSES = "addresses"


FACTORS = {
    Factor.WITHHOLDING: N_("fewer blocks found than its work lets expect"),
    Factor.HASHRATE: N_("measured hashrate far from the declared"),
    Factor.IDLE: N_("days without work"),
    Factor.REFUSED: N_("many refused shares"),
    Factor.ADDRESSES: N_("mines from one address with others"),
}


class Facts(msgspec.Struct, frozen=True):
    """What is known of a participant's last days."""

    declared_ghs: int
    work_hashes: int
    """Of the recent days."""
    days: int
    """Recent days that it was in the register."""
    idle_days: int
    accepted: int
    refused: int
    found: int
    expected: float
    """Blocks: its work by what a block took in the hour in which it was done."""
    known_part: float = 1.0
    """Of its work, that of hours whose difficulty is known; the rest, and what was found in it, is
    left out of both."""
    shared_days: int = 0
    """Recent days on which others mined from an address of its own, without a tax number or a
    registered site in common with it."""
    shared_with: int = 0
    """So many others."""

    @property
    def measured_part(self) -> float:
        """Mean measured hashrate as a part of the declared."""
        declared = self.declared_ghs * GIGA * self.days * _DAY_S
        return self.work_hashes / declared if declared else 0.0

    @property
    def refused_part(self) -> float:
        """Of all shares."""
        shares = self.accepted + self.refused
        return self.refused / shares if shares else 0.0

    @property
    def p_value(self) -> float:
        """How often somebody honest has found so few blocks, or fewer."""
        return poisson_at_most(self.found, self.expected)


class Points(NamedTuple):
    """What a factor adds."""

    factor: Factor
    points: int


@dataclass(frozen=True, slots=True)
class Risk:
    """A participant with its score."""

    participant_id: int
    name: str
    facts: Facts

    @property
    def points(self) -> tuple[Points, ...]:
        """Every factor that adds something, the greatest first."""
        return points_of(self.facts)

    @property
    def score(self) -> int:
        """From 0 to 100."""
        return sum(one.points for one in self.points)


def _withholding(facts: Facts) -> int:
    p = facts.p_value
    return 40 if p < 0.001 else 25 if p < 0.01 else 10 if p < 0.05 else 0


def _hashrate(facts: Facts) -> int:
    away = abs(facts.measured_part - 1)
    return 0 if away <= 0.1 or not facts.days else min(25, 5 + round(20 * (away - 0.1) / 0.7))


def _idle(facts: Facts) -> int:
    return min(10, round(20 * facts.idle_days / facts.days)) if facts.days else 0


def _refused(facts: Facts) -> int:
    return min(10, round(100 * max(0.0, facts.refused_part - 0.02)))


def _addresses(facts: Facts) -> int:
    days = facts.shared_days
    return 15 if days >= 14 else 10 if days >= 7 else 5 if days >= 3 else 0


RULES: dict[Factor, Callable[[Facts], int]] = {
    Factor.WITHHOLDING: _withholding,
    Factor.HASHRATE: _hashrate,
    Factor.IDLE: _idle,
    Factor.REFUSED: _refused,
    Factor.ADDRESSES: _addresses,
}
"""Points of each factor; together 100 at most."""


def points_of(facts: Facts) -> tuple[Points, ...]:
    """Return what each factor adds, those that add nothing left out."""
    points = [Points(factor, rule(facts)) for factor, rule in RULES.items()]
    return tuple(sorted((one for one in points if one.points), key=lambda one: -one.points))
