"""A found block on its way: a miner's share at our socket to `submitblock` at the node's.

    python -m benchmarks.found_block [--rounds 50] [--json FILE]

The whole pool runs, on a node that gives a template of 3,101 transactions whose target every hash
meets, and notes when the first and the last byte of each block reach it. A round is a new tip, a
share, a block. The miner's time begins before it sends, the node's ends after it has read: what
the loopback and two threads of this program take is counted against the pool. Exit status 1: the
median of the last byte is above what it is held to, or a block was not the one that was found.
"""

import argparse
import contextlib
import json
import socket
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, Login
from benchmarks.load.ports import LOOPBACK
from benchmarks.load.recorded_node import RecordedNode
from benchmarks.load.servers import running_stratum
from benchmarks.template_to_job import Spread

HELD_MS = 5.0
ANSWER_S = 10.0
# Between two blocks, for the pool to follow the first to its end.
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Sent:
    """One submitblock as the node saw it, times in ns of the monotonic clock."""

    first_ns: int
    last_ns: int
    body: bytes


class FindingNode(RecordedNode):
    """Every hash is a block; it notes the times of each that is sent to it."""

    bits, target = "207fffff", "ff" * 32

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sent: list[Sent] = []
        self.came = threading.Condition()
        plain = self.server.RequestHandlerClass

        class Timed(plain):  # type: ignore[valid-type,misc]  # the class is made for each server
            def parse_request(self) -> bool:
                """Note when the first line of a request is there."""
                self.first_ns = time.monotonic_ns()
                parsed: bool = super().parse_request()
                return parsed

        self.server.RequestHandlerClass = Timed

    def respond(self, http: BaseHTTPRequestHandler, body: bytes) -> None:
        """Note a block before anything else is done with it."""
        last_ns = time.monotonic_ns()
        if b'"submitblock"' in body[:200]:
            with self.came:
                self.sent.append(Sent(http.first_ns, last_ns, body))  # type: ignore[attr-defined]
                self.came.notify()
        super().respond(http, body)

    def submitblock(self, _block_hex: str) -> str:
        """Say that a block is good, though not of the best chain."""
        return "inconclusive"

    def take(self) -> Sent:
        """Wait for one block. Raises LoadError."""
        with self.came:
            if not self.came.wait_for(lambda: self.sent, ANSWER_S):
                raise LoadError(f"no block came in {ANSWER_S:.0f} s")
            return self.sent.pop(0)


class Finder:
    """A miner that finds a block whenever it is told to."""

    def __init__(self, port: int, login: Login) -> None:
        self._user = login.user
        self._socket = socket.create_connection((LOOPBACK, port), ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self._job: list[Any] = []
        self._number = 2
        self._say(1, "mining.subscribe", ["found-block"])
        self._say(2, "mining.authorize", [login.user, login.password])

    def close(self) -> None:
        """Leave."""
        self._lines.close()
        self._socket.close()

    def take_job(self, prevhash: str) -> None:
        """Read until there is a job on this tip."""
        words = [bytes.fromhex(prevhash)[::-1][i : i + 4][::-1] for i in range(0, 32, 4)]
        while not self._job or self._job[1] != b"".join(words).hex():
            self._hear()

    def submit(self) -> int:
        """Send a share, which is a block; return when, in ns of the monotonic clock."""
        self._number += 1
        nonce = f"{self._number:08x}"
        params = [self._user, self._job[0], "00" * 8, self._job[7], nonce]
        sent_ns = time.monotonic_ns()
        self._say(self._number, "mining.submit", params)
        return sent_ns

    def await_answer(self) -> None:
        """Read until the share is answered. Raises LoadError where it was refused."""
        while (answer := self._hear()).get("id") != self._number:
            pass
        if answer["result"] is not True:
            raise LoadError(f"the share was refused: {answer}")

    def _say(self, number: int, method: str, params: list[str]) -> None:
        message = {"id": number, "method": method, "params": params}
        self._socket.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def _hear(self) -> dict[str, Any]:
        line: dict[str, Any] = json.loads(self._lines.readline() or b'{"id":null}')
        if line == {"id": None}:
            raise LoadError("the server closed the connection")
        if line.get("method") == "mining.notify":
            self._job = line["params"]
        return line


@dataclass(frozen=True, slots=True)
class Way:
    """A block's: ms from the share's sending to each moment."""

    first_ms: float
    last_ms: float
    answered_ms: float
    block_bytes: int


def find_block(finder: Finder, node: FindingNode) -> Way:
    """Send a share that is a block, and follow it to the node. Raises LoadError."""
    start_ns = finder.submit()
    sent = node.take()
    finder.await_answer()
    answered_ns = time.monotonic_ns()
    first_ms, last_ms, answered_ms = (
        (at_ns - start_ns) / 1e6 for at_ns in (sent.first_ns, sent.last_ns, answered_ns)
    )
    return Way(first_ms, last_ms, answered_ms, len(json.loads(sent.body)["params"][0]) // 2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All rounds: ms from the share's sending to each moment."""

    first_ms: list[float]
    last_ms: list[float]
    answered_ms: list[float]
    block_bytes: int

    def faults(self) -> list[str]:
        """Say what must not be."""
        spread = Spread.of(self.last_ms)
        if spread.p50_ms > HELD_MS:
            return [f"{spread.p50_ms:.1f} ms to the last byte, not {HELD_MS:.0f}"]
        return []


def measure(rounds: int, folder: Path) -> Outcome:
    """Find so many blocks. Raises LoadError."""
    ways = []
    with (
        FindingNode(folder) as node,
        running_stratum(folder, node.address) as pool,
        contextlib.closing(Finder(pool.port, pool.login)) as finder,
    ):
        for _ in range(rounds + 1):
            node.new_block()
            finder.take_job(node.tip_hash)
            time.sleep(PAUSE_S)
            ways.append(find_block(finder, node))
    # The first opens the way: its connection to the node is new.
    del ways[0]
    return Outcome(
        [one.first_ms for one in ways], [one.last_ms for one in ways],
        [one.answered_ms for one in ways], ways[-1].block_bytes,
    )  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.found_block",
        description="Measure a found block's way from the miner's socket to the node's.",
        epilog="example: python -m benchmarks.found_block --rounds 100",
    )
    parser.add_argument("--rounds", type=int, default=50, help="blocks found (50)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder) as folder:
            outcome = measure(given.rounds, Path(folder))
    except LoadError as fault:
        sys.stderr.write(f"found_block: {fault}\n")
        return 1
    shown = Table(title=f"blocks of {outcome.block_bytes:,} bytes, from the share's sending")
    shown.add_column("until")
    shown.add_column("p50 ms", justify="right")
    shown.add_column("p99 ms", justify="right")
    rows = {
        "first byte at the node": outcome.first_ms,
        "last byte at the node": outcome.last_ms,
        "answer to the miner": outcome.answered_ms,
    }
    for name, times in rows.items():
        spread = Spread.of(times)
        shown.add_row(name, f"{spread.p50_ms:.2f}", f"{spread.p99_ms:.2f}")
    console = Console()
    console.print(shown)
    figures = asdict(outcome) | {"faults": outcome.faults()}
    return end(console, outcome.faults(), figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
