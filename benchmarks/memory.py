"""What each process of a site holds at rest, and what sessions, workers, jobs and hashes add to it.

    python -m benchmarks.memory [--sessions 1000,5000] [--json FILE]

A whole site runs as `kench up` starts it, two fronts, settlement, sale, cabinet and tax among its
parts. So many sessions of one worker log in, then a thousand more, each of a worker of its own.
Jobs and hashes are held by a process each, as a front holds them. Memory is PSS: what processes
share counts by its part. Exit status 1: a session takes more than it is held to.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, Login, allow_files
from benchmarks.load.process_memory import proportional_bytes
from benchmarks.load.servers import running
from benchmarks.soak.site import FRONTS, Site, running_site
from kench.native import JobTable, require_compiled
from kench.pool.clock import SystemClock
from kench.pool.database import one_transaction
from kench.pool.postgres import database_url
from kench.pool.register import add_participant
from kench.pool.settings import Settings
from kench.sim.sizes import make_job
from kench.stratum.feed import Frames, job_frame, job_of
from tests.support.nats import running_servers

HELD_SESSION_BYTES = 8192
OPENING = 200
OWN_WORKERS = 1000
ANSWER_S = 60.0
SETTLE_S = 2.0
JOBS, HASHES = 2000, 1_500_000
# No share of these sessions is a block, nor is there any.
BLOCK_DIFFICULTY = 1e6


@dataclass(frozen=True, slots=True)
class Level:
    """Memory of job maker and fronts, the latter together, with so many sessions and workers."""

    sessions: int
    workers: int
    fronts_bytes: int
    maker_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """A whole run; `roles` are of one process each, at rest."""

    roles: dict[str, int]
    postgres_processes: int
    postgres_bytes: int
    """Of one of its processes, what it shares with the others aside."""
    levels: list[Level]
    job_bytes: float
    hash_bytes: float

    def session_bytes(self) -> float:
        """Return what a session adds to its front."""
        return _each(self.levels[0], self.levels[-2], "fronts_bytes", "sessions")


def _each(low: Level, high: Level, what: str, by: str) -> float:
    grown = getattr(high, what) - getattr(low, what)
    return float(grown / (getattr(high, by) - getattr(low, by)))


class Miners:
    """Connections that log in and say nothing more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[asyncio.StreamWriter] = []
        self._turn = asyncio.Semaphore(OPENING)

    async def add(self, logins: Sequence[Login]) -> None:
        """Connect for each login, until each has a job. Raises LoadError."""
        await asyncio.gather(*(self._one(login) for login in logins))

    async def _one(self, login: Login) -> None:
        async with self._turn, asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._open.append(writer)
            asked = (
                {"id": 1, "method": "mining.subscribe", "params": ["memory"]},
                {"id": 2, "method": "mining.authorize", "params": [login.user, login.password]},
            )
            writer.write(b"".join(json.dumps(one).encode() + b"\n" for one in asked))
            while line := await reader.readline():
                heard = json.loads(line)
                if heard.get("method") == "mining.notify":
                    return
                if heard.get("id") == 2 and heard["result"] is not True:
                    raise LoadError(f"a login was refused: {heard}")
        raise LoadError("the server closed a connection")

    def close(self) -> None:
        """Leave."""
        for writer in self._open:
            writer.transport.abort()


def measure(folder: Path, sessions: list[int]) -> Found:
    """Run a site and fill it. Raises LoadError."""
    allow_files(sessions[-1] + OWN_WORKERS)
    # What this process has used and let go of would hold some of them.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        jobs, hashes = fresh.map(_gained, [_hold_jobs, _hold_hashes])
    data = folder / "site"
    with running_site(data, BLOCK_DIFFICULTY) as site:
        time.sleep(SETTLE_S)
        roles = _at_rest(site)
        own = [proportional_bytes(one.pid, "Anon", "File") for one in site.parts()["postgres"]]
        with (
            database_url(Settings(data_dir=data)) as url,
            one_transaction(url, application_name="benchmark") as connection,
        ):
            participant, token = add_participant(connection, "benchmark")
        levels = asyncio.run(_fill(site, participant, token, sessions))
    roles["gather"] = _gather(folder)
    return Found(roles, len(own), sum(own) // len(own), levels, jobs / JOBS, hashes / HASHES)


async def _fill(site: Site, participant: int, token: str, sessions: list[int]) -> list[Level]:
    miners = Miners(site.stratum_port)
    # The first ever makes its worker, and much that stays whatever comes.
    shared = Login(f"{participant}.rig", token)
    await miners.add([shared] * OPENING)
    levels = [_level(site, OPENING, 1)]
    try:
        for count in sessions:
            await miners.add([shared] * (count - levels[-1].sessions))
            await asyncio.sleep(SETTLE_S)
            levels.append(_level(site, count, 1))
        most = Settings.model_fields["workers_per_participant"].default - 1
        own = [Login(f"{participant}.rig-{one}", token) for one in range(min(OWN_WORKERS, most))]
        await miners.add(own)
        # A turn of the statistics, which know them by then.
        await asyncio.sleep(SETTLE_S + Settings.model_fields["statistics_live_s"].default)
        levels.append(_level(site, sessions[-1] + len(own), 1 + len(own)))
    finally:
        miners.close()
    return levels


def _level(site: Site, sessions: int, workers: int) -> Level:
    held = _by_role(site)
    return Level(sessions, workers, sum(held["front"]), sum(held["stratum"]))


def _by_role(site: Site) -> dict[str, list[int]]:
    """Return the memory of each process; one without a role counts with who started it."""
    roles = {one.pid: role for role, those in site.parts().items() for one in those}
    held = {pid: proportional_bytes(pid) for pid in roles}
    for pid in roles:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(pid).children():
                if child.pid not in roles:
                    held[pid] += proportional_bytes(child.pid)
    found: dict[str, list[int]] = {}
    for pid, role in roles.items():
        found.setdefault(role, []).append(held[pid])
    return found


def _at_rest(site: Site) -> dict[str, int]:
    held = _by_role(site)
    if len(held.get("front", [])) != FRONTS:
        raise LoadError(f"not all of {FRONTS} fronts run")
    return {role: sum(those) // len(those) for role, those in held.items() if role != "postgres"}


def _gather(folder: Path) -> int:
    """Return what `kench gather` holds, of a cluster that has nothing."""
    settings = Settings(data_dir=folder / "centre")
    settings.log_directory.mkdir(parents=True)
    with running_servers(folder / "nats") as servers:
        variables = {"KENCH_NATS_URLS": " ".join(servers.urls), "KENCH_NATS_REPLICAS": "1"}
        with running("gather", settings, [], variables) as part:
            time.sleep(SETTLE_S)
            return proportional_bytes(part.pid or 0)


def _gained(hold: Callable[[], Any]) -> int:
    before = proportional_bytes(os.getpid())
    held = hold()
    gained = proportional_bytes(os.getpid()) - before
    del held
    return gained


def _hold_jobs() -> list[Any]:
    """Hold jobs as a front does that read each from the job maker's line."""
    made = job_frame(make_job(SystemClock()), for_all=True)
    return [job_of(body)[0] for _ in range(JOBS) for _, body in Frames().take(made)]


def _hold_hashes() -> JobTable:
    """Hold hashes of shares, as those of one tip."""
    table, job = JobTable(8, HASHES), make_job(SystemClock())
    table.add(job.prepared)
    for _ in range(HASHES):
        table.remember(job.key, os.urandom(32))
    return table


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description="Measure what processes hold, and what a session, a worker, a job add.",
        epilog="example: python -m benchmarks.memory --sessions 1000,5000 --json memory.json",
    )
    parser.add_argument("--sessions", default="1000,5000", help="ascending (1000,5000)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="for data (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    sessions = [int(word) for word in given.sessions.split(",")]
    if sessions[0] <= OPENING or sessions != sorted(set(sessions)):
        parser.error(f"--sessions: ascending, above {OPENING}")
    require_compiled()
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="site-", dir=given.folder.absolute()) as folder:
            found = measure(Path(folder), sessions)
    except LoadError as fault:
        sys.stderr.write(f"memory: {fault}\n")
        return 1
    console = Console()
    for shown in tables(found):
        console.print(shown)
    console.print(
        f"a job held: {found.job_bytes:,.0f} bytes; a hash: {found.hash_bytes:.1f}; "
        f"a session: {found.session_bytes():,.0f}"
    )
    faults = []
    if found.session_bytes() > HELD_SESSION_BYTES:
        faults.append(f"{found.session_bytes():,.0f} bytes a session, not {HELD_SESSION_BYTES}")
    return end(console, faults, asdict(found), given.json)


def tables(found: Found) -> tuple[Table, Table]:
    """Lay it out for people."""
    rest = Table("process", "MB at rest", title="a site at rest")
    for role, held in sorted(found.roles.items()):
        rest.add_row(role, f"{held / 1e6:,.1f}")
    rest.add_row(
        f"PostgreSQL's {found.postgres_processes}, each of its own",
        f"{found.postgres_bytes / 1e6:,.1f}",
    )
    filled = Table("sessions", "workers", "fronts MB", "job maker MB", title="and filled")
    for one in found.levels:
        filled.add_row(
            f"{one.sessions:,}", f"{one.workers:,}", f"{one.fronts_bytes / 1e6:,.1f}",
            f"{one.maker_bytes / 1e6:,.1f}",
        )  # fmt: skip
    return rest, filled


if __name__ == "__main__":
    sys.exit(main())
