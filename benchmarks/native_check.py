"""One share through the native gate: parse, rebuild the coinbase, hash, judge, record, reply.

    python -m benchmarks.native_check [--seconds 1]

No socket, loop or disk: what the arithmetic itself costs, compiled and in the plain-Python twin,
with no branch and with the twelve of a block of about 4,000 transactions. Exit status 1: a share
was not accepted, or the compiled check takes longer than the time it is held to.
"""

import argparse
import sys
import time
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from kench import native
from kench.native import twin_gate, twin_table

BRANCHES = (0, 12)
# A share with 12 branches, hashed by the portable path too, stays below this.
HELD_NS = 15_000
# Lines that are judged in one call, as a busy read has them.
LINES = 64
NOW_US = 1_700_000_000_000_000
NTIME = NOW_US // 1_000_000
EASIEST_LE = b"\xff" * 32


def share_ns(gates: ModuleType, tables: ModuleType, branches: int, seconds: float) -> float:
    """Return the ns that a share takes, as the best of the rounds that fit into the time."""
    job = tables.Job(
        1,
        b"\x01" * 100,
        b"\x02" * 100,
        b"\x03" * 32 * branches,
        b"\x04" * 32,
        0x2000_0000,
        0x207F_FFFF,
        NTIME,
        NTIME - 600,
        bytes(32),
    )
    table = tables.JobTable(1)
    table.add(job)
    records = tables.RecordBuffer(LINES, 0)
    gate = gates.Gate(table, records, b"\x00\x00\x00\x01")
    gate.allow(b"1.rig", 1, 1)
    gate.set_difficulty(1.0, EASIEST_LE, 0)
    best, nonce, end = float("inf"), 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        lines = b"".join(_line(nonce + i) for i in range(LINES))
        nonce += LINES
        start = time.perf_counter()
        _, _, accepted = gate.plain(lines, 0, NOW_US)
        best = min(best, time.perf_counter() - start)
        if accepted != LINES:
            raise AssertionError(f"{accepted} of {LINES} shares were accepted")
        records.take()
    return best / LINES * 1e9


def _line(nonce: int) -> bytes:
    return (
        b'{"params":["1.rig","1","%016x","%08x","%08x"],"id":%d,"method":"mining.submit"}\n'
        % (nonce, NTIME, nonce, nonce)
    )  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether the compiled check is as fast as it is held to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.native_check",
        description="Measure one share's way through the native gate.",
        epilog="example: python -m benchmarks.native_check --seconds 3",
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    native.require_compiled()
    from kench.native import _gate, _table  # noqa: PLC0415 - there only where it is compiled

    shown = Table(title=f"one share, SHA-256 by {native.sha256_backend()}")
    for name in ("branches", "compiled ns", "twin ns"):
        shown.add_column(name, justify="right")
    figures = []
    for branches in BRANCHES:
        compiled = share_ns(_gate, _table, branches, given.seconds)
        twin = share_ns(twin_gate, twin_table, branches, given.seconds)
        shown.add_row(str(branches), f"{compiled:,.0f}", f"{twin:,.0f}")
        figures.append({"branches": branches, "compiled_ns": compiled, "twin_ns": twin})
    console = Console()
    console.print(shown)
    slowest = max(figure["compiled_ns"] for figure in figures)
    faults = [f"{slowest:,.0f} ns a share, not {HELD_NS:,}"] if slowest > HELD_NS else []
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
