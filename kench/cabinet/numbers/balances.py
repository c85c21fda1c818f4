"""What a participant has in the ledger now: coins on their way, coins sold, money paid."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from kench.pool.moments import moment_of

BLOCKS_OF_A_DAY_MAX = 500
"""Blocks among which those since a moment are looked for, newest first."""


@dataclass(frozen=True, slots=True)
class Balances:
    """Sums of the participant's accounts."""

    pending_sat: int = 0
    """Of blocks that may still be orphaned."""
    mature_sat: int = 0
    """Not sold yet."""
    sold_sat: int = 0
    written_off_sat: int = 0
    """By officers, of lots that cannot be sold."""
    due_tyiyn: int = 0
    """To be paid out."""
    leaving_tyiyn: int = 0
    """On its way to the bank."""
    paid_tyiyn: int = 0


_BALANCES = sa.text("""
    SELECT pending_sat, mature_sat, sold_sat, written_off_sat, due_tyiyn, leaving_tyiyn, paid_tyiyn
    FROM participant_balances WHERE participant_id = :participant_id
""")
_SINCE = sa.text("""
    SELECT coalesce(sum(block_credits.reward_sat), 0)::bigint
    FROM (SELECT hash, found_at, state FROM blocks ORDER BY height DESC LIMIT :most) AS newest
    JOIN block_credits
        ON block_credits.block_hash = newest.hash AND participant_id = :participant_id
    WHERE found_at >= :since AND state <> 'orphaned'
""")


def read_balances(db: sa.Connection, participant_id: int) -> Balances:
    """Return the sums; zeros of who has earned nothing."""
    row = db.execute(_BALANCES, {"participant_id": participant_id}).one_or_none()
    return Balances(**row._mapping) if row else Balances()


def read_credited_since(db: sa.Connection, participant_id: int, since: datetime | int) -> int:
    """Return its part of blocks found since a moment and not orphaned, in satoshi."""
    moment = moment_of(since) if isinstance(since, int) else since
    asked = {"participant_id": participant_id, "since": moment, "most": BLOCKS_OF_A_DAY_MAX}
    return int(db.execute(_SINCE, asked).scalar_one())
