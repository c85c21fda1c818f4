"""What rules are judged by: silent workers, the hashrate against what was declared, refusals."""

from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from kench.cabinet.alerts.rules import Kind, Rule
from kench.cabinet.numbers.live import PER_WORKER, LiveNumbers, read_live
from kench.cabinet.registration.equipment import total_of
from kench.cabinet.registration.membership import current_entry
from kench.pool.moments import moment_of, us_of

ITSELF = 0
"""The subject of a rule about the participant as a whole."""
SHARES_MIN = 100
"""Of fewer in a day no part is told."""
FRESH_US = 120_000_000
"""Numbers older than this say nothing of workers: the pool itself does not count."""
_MINUTE_US = 60_000_000

_SILENT = sa.text(f"""
    SELECT live.participant_id, workers.id, workers.name, last_share_at
    FROM ({PER_WORKER}) AS live JOIN workers ON workers.id = live.worker_id
    WHERE last_share_at <= CAST(:now AS timestamptz) - interval '10 minutes'
        AND last_share_at > CAST(:now AS timestamptz) - interval '24 hours'
    ORDER BY workers.name
""")  # noqa: S608 - constants


@dataclass(slots=True)
class Facts:
    """Of one participant."""

    live: LiveNumbers
    declared_ghs: int
    """Hashrate of all declared equipment; 0 where none is."""
    silent: list[tuple[int, str, int]] = field(default_factory=list)
    """Workers without a share for ten minutes and not yet for a day: id, name, moment of it."""

    def subjects(self, rule: Rule, now_us: int) -> dict[int, str]:
        """What the rule is about now, each with its name."""
        if rule.kind is Kind.SILENT:
            before_us = now_us - rule.bound * _MINUTE_US
            return {number: name for number, name, at_us in self.silent if at_us <= before_us}
        if rule.kind is Kind.LOW:
            low = self.live.hashrate_1h * 100 < self.declared_ghs * 1e9 * rule.bound
        else:
            whole = self.live.accepted + self.live.refused
            low = whole >= SHARES_MIN and self.live.refused * 100 > whole * rule.bound
        return {ITSELF: ""} if low else {}


def read_facts(
    db: sa.Connection, participants: Collection[int], rules: Collection[Rule], now_us: int
) -> dict[int, Facts]:
    """Return those of some participants."""
    asked = list(participants)
    live = read_live(db, asked, now_us)
    low = {rule.participant_id for rule in rules if rule.kind is Kind.LOW}
    found = {one: Facts(live[one], _declared(db, one) if one in low else 0) for one in asked}
    for row in db.execute(_SILENT, {"ids": asked, "now": moment_of(now_us)}):
        found[row.participant_id].silent.append((row.id, row.name, us_of(row.last_share_at)))
    return found


def _declared(db: sa.Connection, participant_id: int) -> int:
    newest = current_entry(db, participant_id)
    return total_of(newest.entry.equipment).hashrate_ghs if newest else 0
