"""A soak from its start to its result: capacity first, then half of it, a fault a minute."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from benchmarks.first_share import Owner, enter_owners
from benchmarks.load.client import LoadError, allow_most_files
from benchmarks.soak.checks import Books, await_settled, check
from benchmarks.soak.faults import order_of
from benchmarks.soak.miners import SoakCrowd
from benchmarks.soak.sampling import Sampler
from benchmarks.soak.site import Site, running_site
from benchmarks.soak.slopes import Floats, Verdict
from benchmarks.soak.viewers import Seen, Viewers
from kench.pool.database import open_engine
from kench.pool.postgres import database_url
from kench.pool.settings import Settings

# Capacity: the rate is doubled until it is not answered, or not soon enough.
RAMP_FROM, RAMP_TO, RAMP_S, RAMP_SETTLE_S = 500.0, 64_000.0, 4.0, 1.0
RAMP_PART, RAMP_P99_S = 0.9, 0.5
HALF = 0.5
HASHES_PER_DIFFICULTY = 2.0**32
# While capacity is measured nobody needs a block.
NO_BLOCKS = 1e6
ARRIVE_S, QUIET_S = 120.0, 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run; `rate` in shares a second, None for half of what is measured."""

    minutes: float
    fault_every_s: float
    connections: int
    participants: int
    block_every_s: float
    rate: float | None
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    plan: Plan
    capacity_per_s: float
    rate: float
    acknowledged_per_s: float
    """Over the whole time, faults and all."""
    seconds: float
    faults: list[tuple[float, str]]
    refused: dict[str, int]
    lost_lines: int
    unserved_p99_s: float
    unserved_most_s: float
    seen: Seen
    blocks: int
    fills: int
    is_settled: bool
    books: Books
    verdicts: list[Verdict]
    times_s: Floats
    series: dict[str, Floats]
    trouble: str | None
    ended_in_order: bool

    def worries(self) -> list[str]:
        """Say what must not be."""
        found = list(self.books.faults())
        found += [
            f"{one.name} grows by {one.growth:.1f} an hour ({one.least:.1f} at least), "
            f"and {one.bound:.1f} are allowed"
            for one in self.verdicts
            if not one.is_flat
        ]
        if not self.is_settled:
            found.append("settlement did not come to the end of the journals")
        if self.trouble:
            found.append(f"a sample failed: {self.trouble}")
        if not self.ended_in_order:
            found.append("a process of the site had to be killed at the end")
        return found


def soak(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Result:
    """Run it. Raises LoadError where it cannot begin."""
    allow_most_files()
    data = folder / "site"
    with running_site(data, NO_BLOCKS) as site, _engine(data) as (engine, _):
        tell("the site is ready; measuring what it can carry")
        owners = enter_owners(engine, plan.participants)
        capacity, first = asyncio.run(_capacity(site, owners, plan, tell))
    rate = plan.rate or capacity * HALF
    tell(f"it carries {capacity:,.0f} shares/s; steady load: {rate:,.0f}")
    # A share in so many is a block.
    difficulty = rate * plan.block_every_s / HASHES_PER_DIFFICULTY
    with running_site(data, difficulty) as site:
        with _engine(data) as (engine, url):
            crowd, viewers, sampler, seconds = asyncio.run(
                _steady(site, engine, owners, plan, rate, tell)
            )
            is_settled = await_settled(engine, data)
            tell("comparing shares, journals, totals; auditing the books")
            books = check(engine, data, np.concatenate([first.numbers, crowd.numbers]), url)
        # Whoever holds the database keeps it from ending: not us any more.
        in_order = site.stop()
    waits = np.array(crowd.unserved or [0.0])
    series = sampler.series
    return Result(
        plan=plan,
        capacity_per_s=capacity,
        rate=rate,
        acknowledged_per_s=crowd.acknowledged / seconds,
        seconds=seconds,
        faults=sampler.faults,
        refused=dict(crowd.refused_total),
        lost_lines=crowd.lost,
        unserved_p99_s=float(np.percentile(waits, 99)),
        unserved_most_s=float(waits.max()),
        seen=viewers.seen,
        blocks=_last(series, "blocks"),
        fills=_last(series, "fills"),
        is_settled=is_settled,
        books=books,
        verdicts=sampler.verdicts(),
        times_s=sampler.times_s,
        series=series,
        trouble=sampler.trouble,
        ended_in_order=in_order,
    )


def _last(series: dict[str, Floats], name: str) -> int:
    values = series.get(name, np.empty(0))
    known = values[np.isfinite(values)]
    return int(known[-1]) if len(known) else 0


@contextlib.contextmanager
def _engine(data: Path) -> Iterator[tuple[sa.Engine, str]]:
    """Lend connections to the site's database, and its address."""
    with database_url(Settings(data_dir=data)) as url:
        engine = open_engine(url, application_name="soak")
        try:
            yield engine, url
        finally:
            engine.dispose()


async def _arrived(crowd: SoakCrowd) -> None:
    try:
        async with asyncio.timeout(ARRIVE_S):
            await crowd.arrive()
    except TimeoutError:
        raise LoadError(f"the miners were not all served in {ARRIVE_S:.0f} s") from None


async def _capacity(
    site: Site, owners: list[Owner], plan: Plan, tell: Callable[[str], None]
) -> tuple[float, SoakCrowd]:
    """Return the most that was acknowledged a second, soon enough, and who sent it."""
    logins = [one.machine for one in owners]
    crowd = SoakCrowd(site.stratum_port, logins, plan.connections, RAMP_FROM)
    await _arrived(crowd)
    best, rate = 0.0, RAMP_FROM
    while rate <= RAMP_TO:
        crowd.rate = rate
        await asyncio.sleep(RAMP_SETTLE_S)
        crowd.take_latencies()
        begun, before = crowd.loop.time(), crowd.acknowledged
        await asyncio.sleep(RAMP_S)
        came = (crowd.acknowledged - before) / (crowd.loop.time() - begun)
        latencies = crowd.take_latencies() or [RAMP_P99_S * 2]
        p99_s = float(np.percentile(latencies, 99))
        tell(f"{rate:,.0f} shares/s: {came:,.0f} acknowledged, p99 {p99_s * 1000:.0f} ms")
        if p99_s <= RAMP_P99_S:
            best = max(best, came)
        if came < RAMP_PART * rate or p99_s > RAMP_P99_S:
            break
        rate *= 2
    await crowd.leave()
    if not best:
        raise LoadError("not even the least load is carried: this machine does too much else")
    return best, crowd


async def _steady(  # noqa: PLR0913, PLR0917 - what is known by now
    site: Site,
    engine: sa.Engine,
    owners: list[Owner],
    plan: Plan,
    rate: float,
    tell: Callable[[str], None],
) -> tuple[SoakCrowd, Viewers, Sampler, float]:
    crowd = SoakCrowd(site.stratum_port, [one.machine for one in owners], plan.connections, rate)
    viewers = Viewers(site, owners)
    sampler = Sampler(site, engine, crowd, viewers)
    await _arrived(crowd)
    viewers.start()
    sampler.start()
    over = threading.Event()
    until = time.monotonic() + plan.minutes * 60
    faults = threading.Thread(
        target=_fault, args=(site, sampler, plan, until, over, tell), name="faults", daemon=True
    )
    faults.start()
    begun = time.monotonic()
    try:
        while time.monotonic() < until:
            await asyncio.sleep(QUIET_S / 5)
            if site.process.poll() is not None:
                raise LoadError("kench up has ended: see its log")
    finally:
        over.set()
        await asyncio.to_thread(faults.join, QUIET_S * 4)
        seconds = time.monotonic() - begun
        await asyncio.to_thread(sampler.stop)
        await viewers.stop()
        await crowd.leave()
    return crowd, viewers, sampler, seconds


def _fault(  # noqa: PLR0913, PLR0917 - as above
    site: Site,
    sampler: Sampler,
    plan: Plan,
    until: float,
    over: threading.Event,
    tell: Callable[[str], None],
) -> None:
    """Do one fault after the other; the last leaves a whole turn until the end."""
    following = order_of(plan.seed)
    while not over.wait(plan.fault_every_s):
        if time.monotonic() > until - plan.fault_every_s:
            return
        fault = following()
        left_s = until - time.monotonic()
        tell(f"{left_s / 60:.1f} minutes left; fault: {fault.name}")
        sampler.note(fault.name)
        fault.do(site, random.Random(plan.seed + len(sampler.faults)))
