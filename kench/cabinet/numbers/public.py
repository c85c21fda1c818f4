"""What everybody may see of the pool: its hashrate, its blocks, how many mine."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from kench.pool.moments import moment_of, us_of

BLOCKS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PublicBlock:
    """A block that the pool found."""

    height: int
    hash: str
    state: str
    reward_sat: int
    found_at: datetime


@dataclass(frozen=True, slots=True)
class PublicNumbers:
    """The pool at one moment."""

    hashrate_10m: float
    hashrate_1h: float
    hashrate_24h: float
    workers: int
    participants: int
    blocks: int
    """Found and not orphaned, ever."""
    reward_sat: int
    """What those paid."""
    newest: tuple[PublicBlock, ...]


_LIVE = sa.text("""
    SELECT coalesce(sum(hashrate_10m), 0) AS hashrate_10m,
        coalesce(sum(hashrate_1h), 0) AS hashrate_1h,
        coalesce(sum(hashrate_24h), 0) AS hashrate_24h, coalesce(sum(workers), 0) AS workers
    FROM pool_live WHERE written_at > now() - interval '1 minute'
""")
_PARTICIPANTS = sa.text("SELECT count(*) FROM participants WHERE state = 'active'")
_BLOCKS = sa.text("""
    SELECT count(*) AS blocks, coalesce(sum(reward_sat), 0) AS reward_sat
    FROM blocks WHERE state <> 'orphaned'
""")
_NEWEST = sa.text("""
    SELECT height, hash, state, reward_sat, found_at
    FROM blocks ORDER BY found_at DESC LIMIT :most
""")


def read_public(db: sa.Connection) -> PublicNumbers:
    """Return the numbers of now."""
    live = db.execute(_LIVE).one()
    blocks = db.execute(_BLOCKS).one()
    return PublicNumbers(
        hashrate_10m=float(live.hashrate_10m),
        hashrate_1h=float(live.hashrate_1h),
        hashrate_24h=float(live.hashrate_24h),
        workers=int(live.workers),
        participants=int(db.execute(_PARTICIPANTS).scalar_one()),
        blocks=int(blocks.blocks),
        reward_sat=int(blocks.reward_sat),
        newest=tuple(
            PublicBlock(**row._mapping) for row in db.execute(_NEWEST, {"most": BLOCKS_SHOWN})
        ),
    )


ESTIMATE_DAYS = 7


@dataclass(frozen=True, slots=True)
class EstimateBasis:
    """What a day's earnings are estimated from: the pool's last days."""

    hashrate_24h: float
    blocks: int
    reward_sat: int
    days: float
    """So many days back it looks: 7, or since the pool's first block."""


_POOL_DAY = sa.text("""
    SELECT coalesce(sum(hashrate_24h), 0) FROM pool_live
    WHERE written_at > now() - interval '1 minute'
""")
_RECENT = sa.text("""
    SELECT count(*) AS blocks, coalesce(sum(reward_sat), 0)::bigint AS reward_sat
    FROM blocks WHERE found_at > :since AND state <> 'orphaned'
""")
_FIRST = sa.text("SELECT found_at FROM blocks ORDER BY found_at LIMIT 1")


def read_estimate_basis(db: sa.Connection, now_us: int) -> EstimateBasis:
    """Return what the pool did in the last days."""
    day_us = 86_400 * 1_000_000
    recent = db.execute(_RECENT, {"since": moment_of(now_us - ESTIMATE_DAYS * day_us)}).one()
    first = db.scalar(_FIRST)
    days = min(float(ESTIMATE_DAYS), (now_us - us_of(first)) / day_us) if first else 0.0
    return EstimateBasis(
        float(db.scalar(_POOL_DAY) or 0), recent.blocks, recent.reward_sat, max(days, 0.0)
    )
