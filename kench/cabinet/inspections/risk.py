"""Whom to inspect first: a score of what the pool itself can see, and why. The rules are data.

Nothing here accuses anybody: who mines little or has no luck for a while has points too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

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


FACTORS = {
    Factor.WITHHOLDING: N_("fewer blocks found than its work lets expect"),
    Factor.HASHRATE: N_("measured hashrate far from the declared"),
    Factor.IDLE: N_("days without work"),
    Factor.REFUSED: N_("many refused shares"),
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
    """Blocks of the pool's, each by the part of that day's work that was the participant's."""

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
    return 0 if away <= 0.1 or not facts.days else min(30, 5 + round(25 * (away - 0.1) / 0.7))


def _idle(facts: Facts) -> int:
    return min(15, round(30 * facts.idle_days / facts.days)) if facts.days else 0


def _refused(facts: Facts) -> int:
    return min(15, round(150 * max(0.0, facts.refused_part - 0.02)))


RULES: dict[Factor, Callable[[Facts], int]] = {
    Factor.WITHHOLDING: _withholding,
    Factor.HASHRATE: _hashrate,
    Factor.IDLE: _idle,
    Factor.REFUSED: _refused,
}
"""Points of each factor; together 100 at most."""


def points_of(facts: Facts) -> tuple[Points, ...]:
    """Return what each factor adds, those that add nothing left out."""
    points = [Points(factor, rule(facts)) for factor, rule in RULES.items()]
    return tuple(sorted((one for one in points if one.points), key=lambda one: -one.points))


def poisson_at_most(found: int, expected: float) -> float:
    """Return how likely so few or fewer are where so many are expected."""
    if expected <= 0:
        return 1.0
    logs = [
        number * math.log(expected) - expected - math.lgamma(number + 1)
        for number in range(found + 1)
    ]
    top = max(logs)
    return min(1.0, math.exp(top) * math.fsum(math.exp(one - top) for one in logs))


RISKS = sa.text("""
    WITH days AS (
        SELECT participant_id, bucket_at, work_hashes, accepted,
            stale + low_difficulty + duplicate + other AS refused
        FROM participant_days WHERE bucket_at >= :found_since AND bucket_at < :until
    ), pool AS (
        SELECT bucket_at, sum(work_hashes) AS work_hashes FROM days GROUP BY bucket_at
    ), found_on AS (
        SELECT date_trunc('day', found_at, 'UTC') AS bucket_at, count(*) AS blocks FROM blocks
        WHERE found_at >= :found_since AND found_at < :until AND state <> 'orphaned' GROUP BY 1
    ), expected AS (
        SELECT participant_id, sum(days.work_hashes / pool.work_hashes * blocks)::float8 AS blocks
        FROM days JOIN pool USING (bucket_at) JOIN found_on USING (bucket_at)
        WHERE pool.work_hashes > 0 GROUP BY participant_id
    ), found AS (
        SELECT split_part(finder, '.', 1) AS finder, count(*) AS blocks FROM blocks
        WHERE found_at >= :found_since AND found_at < :until AND state <> 'orphaned' GROUP BY 1
    ), recent AS (
        SELECT participant_id, sum(work_hashes) AS work_hashes, sum(accepted) AS accepted,
            sum(refused) AS refused, count(*) FILTER (WHERE accepted > 0) AS days_up
        FROM days WHERE bucket_at >= :since GROUP BY participant_id
    ), declared AS (
        SELECT participant_id, sum(hashrate_ghs) AS hashrate_ghs
        FROM register_words JOIN register_regions USING (participant_id, version)
        GROUP BY participant_id
    )
    SELECT participants.id, participants.name, declared.hashrate_ghs,
        coalesce(recent.work_hashes, 0) AS work_hashes, coalesce(recent.accepted, 0) AS accepted,
        coalesce(recent.refused, 0) AS refused, coalesce(recent.days_up, 0) AS days_up,
        coalesce(found.blocks, 0) AS found, coalesce(expected.blocks, 0) AS expected,
        least(:days, greatest(0, floor(extract(epoch FROM :until - entered.at) / 86400)))::integer
            AS days
    FROM participants
    JOIN declared ON declared.participant_id = participants.id
    JOIN register_entries AS entered ON entered.participant_id = participants.id
        AND entered.version = 1
    LEFT JOIN recent ON recent.participant_id = participants.id
    LEFT JOIN expected ON expected.participant_id = participants.id
    LEFT JOIN found ON found.finder = participants.id::text
    WHERE participants.state = 'active' AND (:only = 0 OR participants.id = :only)
""")


def read_risks(db: sa.Connection, now: datetime, only: int = 0) -> list[Risk]:
    """Return all who mine, those of the highest score first; or one of them alone."""
    until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asked = {
        "until": until, "since": until - timedelta(days=RECENT_DAYS), "days": RECENT_DAYS,
        "found_since": until - timedelta(days=FOUND_DAYS), "only": only,
    }  # fmt: skip
    risks = [
        Risk(
            row.id, row.name,
            Facts(
                declared_ghs=int(row.hashrate_ghs), work_hashes=int(row.work_hashes),
                days=row.days, idle_days=max(0, row.days - row.days_up),
                accepted=int(row.accepted), refused=int(row.refused), found=row.found,
                expected=float(row.expected),
            ),
        )
        for row in db.execute(RISKS, asked)
    ]  # fmt: skip
    return sorted(risks, key=lambda one: (-one.score, one.participant_id))
