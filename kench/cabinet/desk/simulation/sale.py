"""Other thresholds of screening, another pace of sale, other venues: over the last days' coins."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.desk.simulation.findings import DAYS
from kench.pool.coinbase_outputs import outputs_by_weight
from kench.pool.moments import moment_of
from kench.pool.orders.book import NoOrderError, OrderBook
from kench.pool.orders.rules import ApprovedVenue, SaleRule, ScreeningRule

LOTS_MAX = 5_000
BLOCKS_MAX = 5_000
DAY_S, DAY_US = 86_400, 86_400_000_000
CLEARED, OFFICER, REFUSED = "clear", "officer", "refuse"


class ScoreChange(NamedTuple):
    """A lot that would have been decided about otherwise."""

    block_hash: str
    vout: int
    height: int
    score_bp: int
    before: str
    then: str


class ScreeningFound(NamedTuple):
    """How the last scores would have been decided about."""

    lots: int
    before: Counter[str]
    then: Counter[str]
    changed: list[ScoreChange]


class SaleFound(NamedTuple):
    """How days of sale stand against caps and the pace of slices."""

    days: int
    sold_sat: int
    over_before: list[tuple[date, int]]
    """Days on which more was sold than the cap in force lets."""
    over_then: list[tuple[date, int]]
    """Days on which the cap, or as many slices as a day holds, would have ended the sale."""
    day_sat_before: int | None
    """What can be sold in a day at one venue, by slices and cap."""
    day_sat_then: int


class VenuesFound(NamedTuple):
    """What the blocks of those days paid each venue, and would have paid."""

    blocks: int
    before_sat: Counter[str]
    then_sat: Counter[str]


_SCORES = sa.text("""
    SELECT DISTINCT ON (screenings.block_hash, screenings.vout) screenings.block_hash,
        screenings.vout, height, score_bp
    FROM screenings JOIN lots USING (block_hash, vout)
    WHERE at >= :since AND score_bp IS NOT NULL
    ORDER BY screenings.block_hash, screenings.vout, attempt DESC LIMIT :most
""")
_SOLD = sa.text("""
    SELECT (at AT TIME ZONE 'Asia/Bishkek')::date AS day, sum(amount_sat)::bigint AS sold_sat
    FROM fills WHERE at >= :since GROUP BY day ORDER BY day
""")
_BLOCKS = sa.text("""
    SELECT height, reward_sat FROM blocks WHERE found_at >= :since AND state <> 'orphaned'
    ORDER BY found_at DESC, hash DESC LIMIT :most
""")


def verdict_of(score_bp: int, rule: ScreeningRule) -> str:
    """What becomes of coins with that score."""
    if score_bp > rule.refuse_over_bp:
        return REFUSED
    return OFFICER if score_bp > rule.officer_over_bp else CLEARED


def simulate_screening(
    db: sa.Connection,
    rule: ScreeningRule,
    before: ScreeningRule | None,
    *,
    now_us: int,
    days: int = DAYS,
) -> ScreeningFound:
    """Decide about the last score of each lot by other thresholds."""
    rows = db.execute(_SCORES, {"since": moment_of(now_us - days * DAY_US), "most": LOTS_MAX}).all()
    changes = [
        ScoreChange(
            row.block_hash,
            row.vout,
            row.height,
            row.score_bp,
            verdict_of(row.score_bp, before or rule),
            verdict_of(row.score_bp, rule),
        )
        for row in rows
    ]
    return ScreeningFound(
        len(rows),
        Counter(one.before for one in changes),
        Counter(one.then for one in changes),
        sorted((one for one in changes if one.before != one.then), key=lambda one: -one.score_bp),
    )


def simulate_sale(
    db: sa.Connection, rule: SaleRule, before: SaleRule | None, *, now_us: int, days: int = DAYS
) -> SaleFound:
    """Hold another cap and another pace against what was sold each day."""
    rows = db.execute(_SOLD, {"since": moment_of(now_us - days * DAY_US)}).all()
    former_sat = day_sat(before) if before else None
    return SaleFound(
        len(rows),
        sum(row.sold_sat for row in rows),
        [(row.day, row.sold_sat) for row in rows if before and row.sold_sat > former_sat],
        [(row.day, row.sold_sat) for row in rows if row.sold_sat > day_sat(rule)],
        former_sat,
        day_sat(rule),
    )


def day_sat(rule: SaleRule) -> int:
    """What a rule lets be sold in a day at one venue."""
    return min(rule.daily_cap_sat, DAY_S // rule.interval_s * rule.slice_sat)


def simulate_venues(
    db: sa.Connection,
    book: OrderBook,
    venues: Sequence[ApprovedVenue],
    *,
    now_us: int,
    days: int = DAYS,
) -> VenuesFound:
    """Share those days' rewards among other venues, as a coinbase does."""
    rows = db.execute(
        _BLOCKS, {"since": moment_of(now_us - days * DAY_US), "most": BLOCKS_MAX}
    ).all()
    before, then = Counter[str](), Counter[str]()
    for row in rows:
        try:
            _share(before, row.reward_sat, book.venues_at(row.height).rule)
        except NoOrderError:
            before[""] += row.reward_sat
        _share(then, row.reward_sat, venues)
    return VenuesFound(len(rows), before, then)


def _share(paid: Counter[str], reward_sat: int, venues: Sequence[ApprovedVenue]) -> None:
    named = {one.script: one.venue for one in venues}
    for output in outputs_by_weight(reward_sat, venues):
        paid[named[output.script]] += output.amount_sat
