"""The same numbers in the shape that monitors of Braiins Pool read: they change only the address.

Shares are told as their sum of difficulty. The pool has a window of ten minutes where theirs is
five. Workers silent for a day are `dis`, so that nobody is woken by a rig that is long gone.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel

from kench.cabinet.access.grants import Grant, Scope
from kench.cabinet.numbers.balances import Balances, read_balances, read_credited_since
from kench.cabinet.numbers.listed import ListedWorker, read_listed
from kench.cabinet.numbers.live import WorkerState
from kench.cabinet.numbers.parts import read_parts
from kench.cabinet.numbers.public import BLOCKS_SHOWN
from kench.cabinet.web.json_route import (
    FAULTS,
    Granted,
    HashrateGrant,
    JsonRoute,
    WorkersGrant,
    public_of,
)
from kench.cabinet.web.visit import CabinetHere
from kench.pool.moments import BISHKEK, moment_of, us_of

Handler = TypeVar("Handler", bound=Callable[..., Any])
UNIT = "Gh/s"
UNIT_HASHES = 1e9
DIFFICULTY_1_HASHES = 2**32
WORKERS_MAX = 20_000
COIN_DIGITS = 8
STATES = {
    WorkerState.ACTIVE: "ok",
    WorkerState.LOW: "low",
    WorkerState.SILENT: "off",
    WorkerState.GONE: "dis",
}
BLOCK_STATES = {"pending": "new", "mature": "confirmed", "orphaned": "invalid"}

room = APIRouter(route_class=JsonRoute, responses=FAULTS, tags=["for monitors"])


class Profile(BaseModel):
    """Of a participant; rewards are null where the key has not the scope for them."""

    hash_rate_unit: str = UNIT
    hash_rate_5m: float
    hash_rate_60m: float
    hash_rate_24h: float
    hash_rate_scoring: float
    ok_workers: int
    low_workers: int
    off_workers: int
    dis_workers: int
    confirmed_reward: str | None = None
    unconfirmed_reward: str | None = None
    current_balance: str | None = None
    today_reward: str | None = None
    all_time_reward: str | None = None


class Worker(BaseModel):
    """Of a worker."""

    state: str
    last_share: int
    hash_rate_unit: str = UNIT
    hash_rate_5m: float
    hash_rate_60m: float
    hash_rate_24h: float
    hash_rate_scoring: float
    shares_5m: int
    shares_60m: int
    shares_24h: int


class Block(BaseModel):
    """Of a block."""

    date_found: int
    state: str
    value: str
    user_reward: str | None = None


class Stats(BaseModel):
    """Of the pool."""

    hash_rate_unit: str = UNIT
    pool_active_workers: int
    pool_5m_hash_rate: float
    pool_60m_hash_rate: float
    pool_24h_hash_rate: float
    pool_scoring_hash_rate: float
    update_ts: int
    blocks: dict[str, Block]


class ProfileAnswer(BaseModel):
    """The profile, by coin."""

    username: str
    btc: Profile


class WorkersOfCoin(BaseModel):
    """Workers by name."""

    workers: dict[str, Worker]


class WorkersAnswer(BaseModel):
    """The workers, by coin."""

    btc: WorkersOfCoin


class StatsAnswer(BaseModel):
    """The pool, by coin."""

    btc: Stats


def _both(path: str, summary: str) -> Callable[[Handler], Handler]:
    """Return a decorator for a path with and without its last slash: monitors ask for either."""

    def add(handler: Handler) -> Handler:
        room.get(path, summary=summary)(handler)
        return room.get(path.rstrip("/"), include_in_schema=False)(handler)

    return add


@_both("/accounts/profile/json/btc/", "Hashrates, workers by state, rewards")
def show_profile(cabinet: CabinetHere, grant: HashrateGrant) -> ProfileAnswer:
    """The participant now."""
    whose, now_us = grant.participant_id, cabinet.clock.now_us()
    today = moment_of(now_us).astimezone(BISHKEK)
    rewards: dict[str, str] = {}
    with cabinet.engine.connect() as db:
        live = cabinet.live.numbers(db, whose, now_us)
        if Scope.EARNINGS in grant.scopes:
            midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
            rewards = _rewards(read_balances(db, whose), read_credited_since(db, whose, midnight))
    return ProfileAnswer(
        username=username_of(grant),
        btc=Profile(
            hash_rate_5m=_rate(live.hashrate_10m),
            hash_rate_60m=_rate(live.hashrate_1h),
            hash_rate_24h=_rate(live.hashrate_24h),
            hash_rate_scoring=_rate(live.hashrate_1h),
            ok_workers=live.active,
            low_workers=live.low,
            off_workers=live.silent,
            dis_workers=live.gone,
            **rewards,
        ),
    )


@_both("/accounts/workers/json/btc/", "All workers by name")
def show_workers(cabinet: CabinetHere, grant: WorkersGrant) -> WorkersAnswer:
    """Each worker now."""
    with cabinet.engine.connect() as db:
        found = read_listed(db, grant.participant_id, cabinet.clock.now_us(), at_most=WORKERS_MAX)
    name = username_of(grant)
    workers = {f"{name}.{worker.name}": _worker(worker) for worker in found}
    return WorkersAnswer(btc=WorkersOfCoin(workers=workers))


@_both("/stats/json/btc/", "The pool and its newest blocks")
def show_stats(request: Request, cabinet: CabinetHere, grant: Granted) -> StatsAnswer:
    """The pool now."""
    numbers = public_of(request).value()
    mine: dict[str, str] = {}
    if Scope.EARNINGS in grant.scopes:
        with cabinet.engine.connect() as db:
            parts = read_parts(db, grant.participant_id, at_most=BLOCKS_SHOWN)
        mine = {part.hash: _coins(part.reward_sat) for part in parts}
    return StatsAnswer(
        btc=Stats(
            pool_active_workers=numbers.workers,
            pool_5m_hash_rate=_rate(numbers.hashrate_10m),
            pool_60m_hash_rate=_rate(numbers.hashrate_1h),
            pool_24h_hash_rate=_rate(numbers.hashrate_24h),
            pool_scoring_hash_rate=_rate(numbers.hashrate_1h),
            update_ts=cabinet.clock.now_us() // 1_000_000,
            blocks={
                str(block.height): Block(
                    date_found=_seconds(block.found_at),
                    state=BLOCK_STATES[block.state],
                    value=_coins(block.reward_sat),
                    user_reward=mine.get(block.hash),
                )
                for block in numbers.newest
            },
        )
    )


def username_of(grant: Grant) -> str:
    """Return what stands before the dot of a worker's name: the participant's number."""
    return f"participant{grant.participant_id}"


def _rewards(balances: Balances, today_sat: int) -> dict[str, str]:
    return {
        "confirmed_reward": _coins(balances.mature_sat),
        "unconfirmed_reward": _coins(balances.pending_sat),
        "current_balance": _coins(balances.mature_sat),
        "today_reward": _coins(today_sat),
        "all_time_reward": _coins(balances.mature_sat + balances.sold_sat),
    }


def _worker(worker: ListedWorker) -> Worker:
    return Worker(
        state=STATES[worker.state],
        last_share=_seconds(worker.last_share_at) if worker.last_share_at else 0,
        hash_rate_5m=_rate(worker.hashrate_10m),
        hash_rate_60m=_rate(worker.hashrate_1h),
        hash_rate_24h=_rate(worker.hashrate_24h),
        hash_rate_scoring=_rate(worker.hashrate_1h),
        shares_5m=_shares(worker.hashrate_10m, 300),
        shares_60m=_shares(worker.hashrate_1h, 3600),
        shares_24h=_shares(worker.hashrate_24h, 86_400),
    )


def _rate(hashes_per_s: float) -> float:
    return round(hashes_per_s / UNIT_HASHES, 4)


def _shares(hashes_per_s: float, seconds: int) -> int:
    return int(hashes_per_s * seconds / DIFFICULTY_1_HASHES)


def _coins(amount_sat: int) -> str:
    whole, rest = divmod(amount_sat, 10**COIN_DIGITS)
    return f"{whole}.{rest:0{COIN_DIGITS}d}"


def _seconds(moment: datetime) -> int:
    return us_of(moment) // 1_000_000
