"""A change of the register on its way: a token is revoked until its last connection is closed.

    python -m benchmarks.revocation [--connections 2000] [--rounds 5] [--json FILE]

Half of the connections came in by a token that is revoked, half by one that stays. A round logs
those in again that it needs, under a token of its own; its time begins when the revocation is
committed. Exit status 1: the last one was closed later than it is held to, one stayed
open, or one of the others was closed.
"""

import argparse
import contextlib
import json
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, allow_most_files
from benchmarks.load.ports import LOOPBACK
from benchmarks.load.recorded_node import RecordedNode
from benchmarks.load.servers import Pool, running_stratum
from kench.pool.database import open_engine
from kench.pool.postgres import database_url
from kench.pool.settings import Settings
from kench.pool.tokens import make_token, revoke_token, tokens_of

HELD_S = 2.0
"""D2: who may not mine any more is cut off within this time."""
ANSWER_S = 10.0
READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Outcome:
    """All rounds: from the commit until the first and the last connection was closed."""

    connections: int
    first_ms: list[float]
    last_ms: list[float]
    left_open: int
    closed_wrongly: int

    def faults(self) -> list[str]:
        """Say what must not be."""
        faults = []
        if max(self.last_ms) > HELD_S * 1000:
            faults.append(f"{max(self.last_ms):.0f} ms to the last, not {HELD_S * 1000:.0f}")
        if self.left_open:
            faults.append(f"{self.left_open} stayed open under a revoked token")
        if self.closed_wrongly:
            faults.append(f"{self.closed_wrongly} were closed whose token stays")
        return faults


def login(port: int, user: str, token: str) -> socket.socket:
    """Return a connection that is logged in. Raises LoadError: it was refused, and is closed."""
    with contextlib.ExitStack() as unless_refused:
        line = unless_refused.enter_context(socket.create_connection((LOOPBACK, port), ANSWER_S))
        _authorize(line, user, token)
        unless_refused.pop_all()
    line.setblocking(False)
    return line


def _authorize(line: socket.socket, user: str, token: str) -> None:
    asked = [("mining.subscribe", ["revocation"]), ("mining.authorize", [user, token])]
    for number, (method, params) in enumerate(asked, 1):
        request = {"id": number, "method": method, "params": params}
        line.sendall(json.dumps(request).encode() + b"\n")
    received = b""
    while b'"id":2' not in received:
        piece = line.recv(READ_BYTES)
        received += piece
        if not piece:
            raise LoadError(f"the server closed the connection: {received[-200:]!r}")
    answer = next(one for one in received.split(b"\n") if b'"id":2' in one)
    if b'"result":true' not in answer:
        raise LoadError(f"the login was refused: {answer!r}")


def await_closed(lines: Sequence[socket.socket]) -> list[int]:
    """Return when each was closed, as far as it was within the time of an answer, in order."""
    closed: list[int] = []
    deadline = time.monotonic() + ANSWER_S
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line, selectors.EVENT_READ)
        while len(closed) < len(lines) and time.monotonic() < deadline:
            for key, _ in selector.select(0.1):
                if _is_closed(key.fileobj):  # type: ignore[arg-type]  # a socket was registered
                    closed.append(time.monotonic_ns())
                    selector.unregister(key.fileobj)
    return closed


def measure(connections: int, rounds: int, folder: Path) -> Outcome:
    """Revoke so many tokens. Raises LoadError."""
    settings = Settings(data_dir=folder)
    with (
        RecordedNode(folder) as node,
        running_stratum(folder, node.address) as pool,
        database_url(settings) as url,
        contextlib.closing(_Engine(url)) as register,
    ):
        half = connections // 2
        stays = [login(pool.port, pool.login.user, pool.login.password) for _ in range(half)]
        outcome = Outcome(connections, [], [], 0, 0)
        left_open = 0
        for number in range(rounds):
            first, last, left = _round(pool, register.engine, half, f"round {number}")
            outcome.first_ms.append(first)
            outcome.last_ms.append(last)
            left_open += left
        wrongly = sum(_is_closed(line) for line in stays)
        for line in stays:
            line.close()
    return Outcome(connections, outcome.first_ms, outcome.last_ms, left_open, wrongly)


class _Engine:
    """An engine that is closed like a file."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url, application_name="benchmark")

    def close(self) -> None:
        self.engine.dispose()


def _round(pool: Pool, engine: sa.Engine, count: int, label: str) -> tuple[float, float, int]:
    participant = int(pool.login.user.partition(".")[0])
    with engine.begin() as db:
        token = str(make_token(db, participant, label))
        number = tokens_of(db, participant)[0].id
    _await_login(pool, token)
    lines = [login(pool.port, pool.login.user, token) for _ in range(count)]
    with engine.begin() as db:
        revoke_token(db, participant, number)
    begun_ns = time.monotonic_ns()
    closed = await_closed(lines)
    for line in lines:
        line.close()
    if not closed:
        raise LoadError("no connection was closed")
    took = [(at - begun_ns) / 1e6 for at in (closed[0], closed[-1])]
    return took[0], took[1], count - len(closed)


def _await_login(pool: Pool, token: str) -> None:
    """Wait until the token is known. Raises LoadError."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            login(pool.port, pool.login.user, token).close()
        except LoadError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _is_closed(line: socket.socket) -> bool:
    try:
        while piece := line.recv(READ_BYTES):
            del piece
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.revocation",
        description="Measure how soon connections end whose token was revoked.",
        epilog="example: python -m benchmarks.revocation --connections 8000",
    )
    parser.add_argument("--connections", type=int, default=2000, help="half of them end (2000)")
    parser.add_argument("--rounds", type=int, default=5, help="tokens revoked (5)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    allow_most_files()
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder) as folder:
            outcome = measure(given.connections, given.rounds, Path(folder))
    except LoadError as fault:
        sys.stderr.write(f"revocation: {fault}\n")
        return 1
    shown = Table(title=f"{outcome.connections // 2:,} of {outcome.connections:,} connections end")
    for name in ("from the commit until", "least ms", "most ms"):
        shown.add_column(name, justify="left" if name.startswith("from") else "right")
    for name, times in (("first closed", outcome.first_ms), ("last closed", outcome.last_ms)):
        shown.add_row(name, f"{min(times):.1f}", f"{max(times):.1f}")
    console = Console()
    console.print(shown)
    figures = asdict(outcome) | {"faults": outcome.faults()}
    return end(console, outcome.faults(), figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
