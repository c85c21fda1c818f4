"""What a participant's month comes to, in each view of it."""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

_BOOKED = sa.text("""
    SELECT participant_id, sum(amount) FILTER (WHERE asset = 'BTC') AS sat,
        sum(amount) FILTER (WHERE asset = 'KGS') AS tyiyn
    FROM (SELECT amount, transfers.asset, account.participant_id FROM transfers
          JOIN accounts AS account
            ON account.code IN (debit_account, credit_account)
          WHERE subject = 'settlement' AND account.participant_id IS NOT NULL) AS lines
    GROUP BY participant_id
""")
_FEES = sa.text("SELECT sum(venue_fee_tyiyn), sum(pool_fee_tyiyn) FROM lot_settlements")


class Figures(NamedTuple):
    """A participant's month in one view."""

    sold_sat: int
    net_tyiyn: int


def all_of(figures: Iterable[Figures]) -> Figures:
    return Figures(*map(sum, zip(*figures, strict=True)))


def booked(db: sa.Connection) -> dict[int, Figures]:
    """What the ledger says of each participant."""
    return {row.participant_id: Figures(row.sat, row.tyiyn) for row in db.execute(_BOOKED)}


def traded(db: sa.Connection) -> Figures:
    """What the venues' trades come to, less all fees."""
    filled = db.execute(sa.text("SELECT sum(amount_sat), sum(gross_tyiyn) FROM fills")).one()
    return Figures(filled[0], filled[1] - sum(db.execute(_FEES).one()))
