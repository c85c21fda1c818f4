"""One run: a crowd of workers through the hours, then its fronts, storms and volumes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from kench.pool.clock import ManualClock
from kench.pool.settings import Settings
from kench.sim.costs import Costs
from kench.sim.crowd import HASHES_PER_DIFFICULTY, Crowd
from kench.sim.fleet import Fleet
from kench.sim.front import Everyday, Front, Load, NewBlock
from kench.sim.memory import Memory, memory_of
from kench.sim.sizes import Sizes, make_job
from kench.sim.volumes import Traffic, Volumes, volumes_of
from kench.stratum.difficulty import DifficultyLimits
from kench.stratum.sweep import SWEEP_S

BLOCK_S = 600.0
EXA = 1e18
# A steady front is looked at for so long, or for so many shares.
EVERYDAY_S, EVERYDAY_SHARES = 5.0, 100_000
# Above this part of a loop's time no storm is looked at: it would not end.
LOOP_MAX = 0.9
TELL_S = 600.0
WORKERS_EACH = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be looked at; `limits` and the rates of jobs and logins come from the settings."""

    workers: int
    participants: int
    fronts: tuple[int, ...]
    hours: float
    seed: int
    network_ehs: float
    limits: DifficultyLimits
    job_refresh_s: float
    logins_per_s: float

    @classmethod
    def by_settings(  # noqa: PLR0913, PLR0917 - what a pool is told apart by
        cls,
        workers: int,
        fronts: tuple[int, ...],
        hours: float,
        seed: int,
        shares_per_minute: float | None,
        network_ehs: float,
        participants: int | None = None,
    ) -> Self:
        """Return a plan of what the settings begin with, where nothing else is given."""
        begin = {name: field.default for name, field in Settings.model_fields.items()}
        limits = DifficultyLimits(
            begin["start_difficulty"], begin["min_difficulty"], begin["max_difficulty"],
            shares_per_minute or begin["shares_per_minute"],
        )  # fmt: skip
        return cls(
            workers, participants or max(1, workers // WORKERS_EACH), fronts, hours, seed,
            network_ehs, limits, begin["job_refresh_s"], begin["logins_per_s"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of all workers together, a second, and difficulties changed."""

    hashes_per_s: float
    first_minute: float
    most: float
    settled: float
    """Of the last half of the time."""
    per_minute_each: float
    retargets_first: float
    retargets_settled: float


@dataclass(frozen=True, slots=True)
class Pool:
    """The pool on so many fronts; figures of a front are those of its busiest.

    Times that are None: the front cannot carry it.
    """

    fronts: int
    connections: int
    shares_per_s: float
    everyday: Everyday
    by_nats: Everyday
    """The same where each batch waits for three servers of NATS, and not for the disk alone."""
    memory: Memory
    new_block: NewBlock | None
    last_job_ms: float | None
    """From the node's word until the last miner has the job, lines' own way aside."""
    all_log_in_s: float | None
    front_dies_s: float | None
    """Until all of a front's workers are served by the others."""
    volumes: Volumes


@dataclass(frozen=True, slots=True)
class Study:
    """All that a run found."""

    plan: Plan
    machine: str
    rates: Rates
    pools: list[Pool]

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def study(plan: Plan, costs: Costs, tell: Callable[[str], None]) -> Study:
    """Run it; the same plan and costs have the same result. `tell` hears how far it is."""
    chance = np.random.default_rng(plan.seed)
    fleet = Fleet.of(plan.workers, chance)
    network = plan.network_ehs * EXA
    crowd = Crowd(fleet.hashrates, plan.limits, network * BLOCK_S / HASHES_PER_DIFFICULTY, chance)
    start_rate = float(crowd.rates.mean())
    rates = _hours(plan, fleet, crowd, tell)
    pools = []
    for fronts in plan.fronts:
        tell(f"{fronts} fronts")
        pools.append(_pool(plan, costs, crowd, rates, start_rate, fronts))
    return Study(plan, costs.machine, rates, pools)


def _hours(plan: Plan, fleet: Fleet, crowd: Crowd, tell: Callable[[str], None]) -> Rates:
    steps = max(2, round(plan.hours * 3600 / SWEEP_S))
    shares, retargets = np.zeros(steps), np.zeros(steps)
    for number in range(steps):
        step = crowd.step()
        shares[number], retargets[number] = step.shares / SWEEP_S, step.retargets / SWEEP_S
        if crowd.now % TELL_S < SWEEP_S:
            tell(f"{crowd.now / 60:.0f} minutes: {shares[number]:,.0f} shares/s")
    minute = max(1, round(60 / SWEEP_S))
    settled = float(shares[steps // 2 :].mean())
    return Rates(
        hashes_per_s=fleet.hashes_per_s,
        first_minute=float(shares[:minute].mean()),
        most=float(shares.max()),
        settled=settled,
        per_minute_each=settled * 60 / plan.workers,
        retargets_first=float(retargets[:minute].mean()),
        retargets_settled=float(retargets[steps // 2 :].mean()),
    )


def _pool(  # noqa: PLR0913, PLR0917 - what is known by now
    plan: Plan, costs: Costs, crowd: Crowd, rates: Rates, start_rate: float, fronts: int
) -> Pool:
    # Workers come to any front; the busiest is looked at.
    chance = np.random.default_rng((plan.seed, fronts))
    place = chance.integers(0, fronts, plan.workers)
    connections = np.bincount(place, minlength=fronts)
    busiest = int(connections.argmax())
    load = Load(float(crowd.rates[place == busiest].sum()), int(connections[busiest]))
    seconds = min(EVERYDAY_S, max(0.5, EVERYDAY_SHARES / max(load.shares_per_s, 1.0)))
    everyday = Front(costs.front, load, chance).everyday(seconds)
    by_nats = Front(replace(costs.front, commit_s=costs.ack_s), load, chance).everyday(seconds)
    block, last_ms, all_s, dies_s = None, None, None, None
    if everyday.loop < LOOP_MAX:
        block = Front(costs.front, load, chance).new_block(make_job(ManualClock()))
        first_s = costs.first_line_s + costs.delivery_s(fronts)
        last_ms = first_s * 1000 + block.spread_ms
        nobody = Load(0.0, 0)
        all_s = Front(costs.front, nobody, chance).logins(
            load.connections, costs.login_cpu_s, start_rate, plan.logins_per_s
        )
        if fronts > 1:
            come = -(-load.connections // (fronts - 1))
            dies_s = Front(costs.front, load, chance).logins(
                come,
                costs.login_cpu_s + costs.resume_s,
                load.shares_per_s / load.connections,
                plan.logins_per_s,
            )
    traffic = Traffic(
        shares_per_s=rates.settled,
        retargets_per_s=rates.retargets_settled,
        commits_per_s=everyday.commits_per_s,
        shares_per_message=by_nats.shares_per_commit,
        messages_per_s=by_nats.commits_per_s,
        blocks_per_day=86_400 / BLOCK_S * rates.hashes_per_s / (plan.network_ehs * EXA),
        block_s=BLOCK_S,
        job_refresh_s=plan.job_refresh_s,
    )
    volumes = volumes_of(
        traffic, costs, Sizes.of(make_job(ManualClock())), plan.workers, plan.participants, fronts
    )
    return Pool(
        fronts, load.connections, load.shares_per_s, everyday, by_nats,
        memory_of(costs.memory, plan.workers, load, fronts, volumes), block, last_ms, all_s,
        dies_s, volumes,
    )  # fmt: skip


def fronts_of(text: str) -> tuple[int, ...]:
    """Read `1,2,4`; raises ValueError."""
    counts: Sequence[int] = [int(word) for word in text.split(",")]
    if not counts or min(counts) < 1:
        raise ValueError(f"numbers of fronts are 1 or more, not {text}")
    return tuple(counts)
