"""Another fee and another threshold of payouts, over what was settled and paid in the last days."""

from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.desk.simulation.findings import DAYS
from kench.pool.moments import moment_of
from kench.pool.orders.rules import PPM

DAY_US = 86_400_000_000


class FeeFound(NamedTuple):
    """What the pool kept of the lots that were settled, and would have kept."""

    lots: int
    gross_tyiyn: int
    before_tyiyn: int
    then_tyiyn: int


class PayoutsFound(NamedTuple):
    """Which payouts would have waited, and whose balances would."""

    payouts: int
    would_wait: int
    would_wait_tyiyn: int
    balances_before: int
    """Participants whose balance of now is below the threshold in force."""
    balances_then: int


_FEE = sa.text("""
    SELECT count(*) AS lots, coalesce(sum(gross_tyiyn), 0) AS gross,
        coalesce(sum(pool_fee_tyiyn), 0) AS before,
        coalesce(sum(least(div(gross_tyiyn::numeric * :ppm, :whole),
                           gross_tyiyn - venue_fee_tyiyn)), 0) AS afterwards
    FROM lot_settlements WHERE settled_at >= :since
""")
_PAYOUTS = sa.text("""
    SELECT count(*) AS payouts, count(*) FILTER (WHERE amount_tyiyn < :threshold) AS wait,
        coalesce(sum(amount_tyiyn) FILTER (WHERE amount_tyiyn < :threshold), 0) AS wait_tyiyn
    FROM payouts JOIN payout_batches USING (batch)
    WHERE made_at >= :since AND kind = 'clients'
""")
_BALANCES = sa.text("""
    SELECT /* simulation */ count(*) FILTER (WHERE balance < :before) AS before,
        count(*) FILTER (WHERE balance < :threshold) AS afterwards
    FROM (SELECT due_tyiyn AS balance FROM participant_balances) AS each
    WHERE balance > 0
""")


def simulate_fee(db: sa.Connection, pool_ppm: int, *, now_us: int, days: int = DAYS) -> FeeFound:
    """Take another fee of the same proceeds, by the same rounding."""
    row = db.execute(
        _FEE, {"ppm": pool_ppm, "whole": PPM, "since": moment_of(now_us - days * DAY_US)}
    ).one()
    return FeeFound(row.lots, int(row.gross), int(row.before), int(row.afterwards))


def simulate_payouts(
    db: sa.Connection,
    threshold_tyiyn: int,
    before_tyiyn: int | None,
    *,
    now_us: int,
    days: int = DAYS,
) -> PayoutsFound:
    """Hold another threshold against the payouts that were made, and the balances of now."""
    paid = db.execute(
        _PAYOUTS, {"threshold": threshold_tyiyn, "since": moment_of(now_us - days * DAY_US)}
    ).one()
    held = db.execute(_BALANCES, {"threshold": threshold_tyiyn, "before": before_tyiyn or 0}).one()
    return PayoutsFound(paid.payouts, paid.wait, int(paid.wait_tyiyn), held.before, held.afterwards)
