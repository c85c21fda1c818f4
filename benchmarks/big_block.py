"""A full block found where no node is: a miner's share in a region to `submitblock` at the node's.

    python -m benchmarks.big_block [--rounds 20] [--replicas 1,3] [--json FILE]

Two machines and a cluster of NATS, all on this one: the centre makes the jobs on a node whose
template has 4 MB of transactions and whose target every hash meets; the region has no node. A
round is a new tip, which the region's miner hears of while the body goes to the cluster, then a
share that is a block. Once with one server, once with three that each keep a copy. Exit status 1:
a block was late, or not the whole one.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.found_block import Finder, FindingNode, find_block
from benchmarks.load.client import BUILD, LoadError, Login
from benchmarks.load.database import enter_participant, running_database
from benchmarks.template_to_job import Spread
from tests.support.machines import running_machines
from tests.support.pool import EASY_SHARES

HELD_MS = 2000.0
BODY_BYTES = 4_000_000
# For the body to be in the cluster, and for the block before to be followed to its end.
PAUSE_S = 1.0
LEASE_S = "1.2"


class FullNode(FindingNode):
    """Its template's transactions are 4 MB: the last of them is made as long as that takes.

    The centre asks a block's header for the work that its bits say: all but one hash in 65,536.
    """

    bits, target = "2100ffff", "ffff" + "00" * 30

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        transactions = self._recorded["transactions"]
        others = sum(len(one["data"]) // 2 for one in transactions[:-1])
        # The pool takes ids and hashes from the node, so they stay what they were.
        transactions[-1] |= {"data": "ab" * (BODY_BYTES - others)}
        self._prepare()


@dataclass(frozen=True, slots=True)
class Measured:
    """With so many replicas, ms of each round."""

    replicas: int
    job_ms: list[float]
    """From the node's word of a tip until the region's miner has its job."""
    block_ms: list[float]
    """From the share's sending to the last byte at the node."""
    answered_ms: list[float]
    block_bytes: int


def measure(folder: Path, url: str, login: Login, replicas: int, rounds: int) -> Measured:
    """Find so many blocks. Raises LoadError."""
    jobs_ms, ways = [], []
    with (
        FullNode(folder) as node,
        running_machines(folder, url, servers=replicas, lease_s=LEASE_S, **EASY_SHARES) as machines,
    ):
        address = node.address
        centre = machines.add(
            "centre",
            KENCH_NODE_URLS=f"http://{address.rpc}?cookie={address.cookie}",
            KENCH_NODE_ZMQ=address.zmq,
        )
        region = machines.add("region", node=False)
        centre.start("stratum")
        region.start("stratum")
        with contextlib.closing(Finder(region.stratum_port, login)) as finder:
            for _ in range(rounds + 1):
                told_ns = node.new_block()
                finder.take_job(node.tip_hash)
                jobs_ms.append((time.monotonic_ns() - told_ns) / 1e6)
                time.sleep(PAUSE_S)
                ways.append(find_block(finder, node))
    least = min(BODY_BYTES, *(one.block_bytes for one in ways))
    # The first opens the ways.
    del jobs_ms[0], ways[0]
    return Measured(
        replicas, jobs_ms, [one.last_ms for one in ways], [one.answered_ms for one in ways], least
    )


def faults(found: list[Measured]) -> list[str]:
    """Say what must not be."""
    worries = [
        f"{one.replicas} replicas: {Spread.of(one.block_ms).p50_ms:.0f} ms, not {HELD_MS:.0f}"
        for one in found
        if Spread.of(one.block_ms).p50_ms > HELD_MS
    ]
    return worries + [
        f"{one.replicas} replicas: a block of {one.block_bytes} bytes"
        for one in found
        if one.block_bytes < BODY_BYTES
    ]


def table(found: list[Measured]) -> Table:
    """Lay it out for people."""
    shown = Table(title=f"a block of {BODY_BYTES:,} bytes, found in a region without a node")
    shown.add_column("from, to")
    for one in found:
        shown.add_column(f"{one.replicas} replicas: p50 ms", justify="right")
        shown.add_column("max ms", justify="right")
    rows = {
        "the node's word of a tip, the region's miner has its job": "job_ms",
        "the region's share, the block's last byte at the node": "block_ms",
        "the same share, its answer": "answered_ms",
    }
    for words, name in rows.items():
        times = [getattr(one, name) for one in found]
        cells = [(f"{Spread.of(each).p50_ms:.1f}", f"{max(each):.1f}") for each in times]
        shown.add_row(words, *(cell for pair in cells for cell in pair))
    return shown


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.big_block",
        description="Measure a full block's way from a region's miner through the centre.",
        epilog="example: python -m benchmarks.big_block --rounds 50 --replicas 3",
    )
    parser.add_argument("--rounds", type=int, default=20, help="blocks found (20)")
    parser.add_argument("--replicas", default="1,3", help="servers, each with a copy (1,3)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    found = []
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="block-", dir=given.folder.absolute()) as name:
            for replicas in map(int, given.replicas.split(",")):
                folder = Path(name) / str(replicas)
                folder.mkdir()
                with running_database(folder / "database") as url:
                    login = enter_participant(url)
                    found.append(measure(folder, url, login, replicas, given.rounds))
    except LoadError as fault:
        sys.stderr.write(f"big_block: {fault}\n")
        return 1
    console = Console(width=110)
    console.print(table(found))
    worries = faults(found)
    figures = {"measured": [asdict(one) for one in found], "faults": worries}
    return end(console, worries, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
