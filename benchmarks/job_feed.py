"""Several machines: how soon a region has the new tip, another job maker, its block at a node.

    python -m benchmarks.job_feed [--rounds 5] [--json FILE]

Two machines with the development node and one without, all on this one with one NATS server, by
the default `job_lease_s`. A round is a tip, a block found in the region, and kill -9 of who makes
the jobs with its fronts. Exit status 1: a takeover took longer than it is held to.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import Login
from benchmarks.load.database import enter_participant, running_database
from benchmarks.template_to_job import Spread
from tests.support.client import StratumClient
from tests.support.machines import Machines, running_machines
from tests.support.pool import EASY_SHARES, Pool

HELD_MS = 2000.0
LIMIT_S = 60.0
PAY = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
# The default of the setting; those of tests are shorter.
LEASE_S = "1.2"


def until(holds: Callable[[], bool], started_s: float) -> float:
    """Return after how many ms it holds."""
    while not holds():
        if time.monotonic() > started_s + LIMIT_S:
            raise TimeoutError("the pool did not come there")
        time.sleep(0.002)
    return (time.monotonic() - started_s) * 1000


def leads(pool: Pool) -> bool:
    """Whether a machine makes the jobs."""
    return bool(pool.state()["feed"]["role"] == "leads")


def tip_at(pool: Pool) -> str:
    """The tip that a machine mines on."""
    return str(pool.state()["tip"])


def find(region: Pool, login: Login, height: Callable[[], int]) -> float:
    """Have the region find a block; return the ms from its share to the node's new tip."""
    before = height()
    with StratumClient(region.stratum_port, LIMIT_S) as miner:
        if not miner.login(login.user, login.password):
            raise RuntimeError("the login was refused")
        job, *_, ntime, _clean = miner.wait_for_job()
        for number in range(5000):
            sent_s = time.monotonic()
            share = (login.user, job, f"{number:016x}", ntime, f"{number:08x}")
            miner.call("mining.submit", *share)
            if any(region.folder.glob("blocks/*/*.found")) or height() > before:
                return until(lambda: height() > before, sent_s)
    raise RuntimeError("no block in five thousand shares")


def measure(machines: Machines, login: Login, rounds: int) -> dict[str, list[float]]:
    """Run the rounds; ms of each."""
    pools = [machines.add("one"), machines.add("two")]
    region = machines.add("region", node=False)
    for pool in (*pools, region):
        pool.start("stratum")
    node = machines.node.rpc
    times: dict[str, list[float]] = {"tip": [], "block": [], "takeover": []}
    for _ in range(rounds):
        started_s = time.monotonic()
        node.call("generatetoaddress", 1, PAY)
        tip = node.call("getbestblockhash")
        times["tip"].append(until(lambda: tip_at(region) == tip, started_s))  # noqa: B023 - called at once
        times["block"].append(find(region, login, lambda: int(node.call("getblockcount"))))
        leader, standby = pools if leads(pools[0]) else pools[::-1]
        started_s = time.monotonic()
        leader.kill_stratum()
        times["takeover"].append(until(lambda: leads(standby), started_s))  # noqa: B023 - called at once
        leader.start("stratum")
    return times


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.job_feed",
        description="Measure the job feed between machines.",
        epilog="example: python -m benchmarks.job_feed --rounds 10",
    )
    parser.add_argument("--rounds", type=int, default=5, help="kills of the job maker (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kench-feed-") as name:
        folder = Path(name)
        with (
            running_database(folder / "database") as url,
            running_machines(
                folder, url, servers=1, block_difficulty="1e-8", lease_s=LEASE_S, **EASY_SHARES
            ) as machines,
        ):
            times = measure(machines, enter_participant(url), given.rounds)
    shown = Table(title="several machines on this one")
    for column in ("what", "p50 ms", "max ms"):
        shown.add_column(column)
    for what, spent in times.items():
        shown.add_row(what, f"{Spread.of(spent).p50_ms:.0f}", f"{max(spent):.0f}")
    console = Console()
    console.print(shown)
    worst = max(times["takeover"])
    faults = [f"a takeover took {worst:.0f} ms"] if worst > HELD_MS else []
    return end(console, faults, {"times_ms": times, "faults": faults}, given.json)


if __name__ == "__main__":
    sys.exit(main())
