"""Honest miners beside hostile clients: what is left of their share rate.

    python -m benchmarks.hostile [--honest 1000] [--rate 10] [--hostile 100] [--processes 1]
                                [--json FILE]

Honest connections submit at a steady rate to the whole pool: first alone, then beside hostile
clients (load/hostile.py: garbage, broken and endless lines, floods of wrong shares, logins and
connections, slow readers, silent ones) that come each from an address of its own, then beside as
many that come from the address of the honest ones. Exit status 1: less than 0.9 of the undisturbed
rate was answered.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, Phases, allow_most_files
from benchmarks.load.crowd import Seen, running_crowd
from benchmarks.load.servers import Pool, running_pool

# Honest miners keep more than this part of their undisturbed rate.
HELD_RATIO = 0.9
END_S = 15.0


@dataclass(frozen=True, slots=True)
class Watched:
    """The honest during one part of the run, and what the guard did meanwhile."""

    name: str
    rate: float
    ratio: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    left_out: int
    refused: int
    cpu_share: float
    measures: dict[str, int]
    hostile: dict[str, dict[str, int]]


def measure(  # noqa: PLR0913, PLR0917 - each is one figure of the run
    pool: Pool, honest: int, rate: float, hostile: int, phases: Phases, settle_s: float
) -> list[Watched]:
    """Watch the honest in each part of the run. Raises LoadError."""
    watched: list[Watched] = []
    with running_crowd(pool.port, pool.fronts, honest, pool.login) as crowd:
        crowd.login(honest)
        crowd.steady(honest, rate)
        crowd.watch(phases.warm_up_s)
        alone = crowd.watch(phases.measure_s)
        watched.append(_watched("alone", alone, alone, {}, {}))
        for name, addresses in (("own addresses", "own"), ("same address", "same")):
            before = _measures(pool)
            with _attacking(pool, hostile, addresses) as figures:
                crowd.watch(phases.warm_up_s)
                seen = crowd.watch(phases.measure_s)
            # What the hostile left behind is done, and the front tells its state each second.
            crowd.watch(settle_s)
            taken = {key: count - before[key] for key, count in _measures(pool).items()}
            watched.append(_watched(name, seen, alone, taken, figures))
    return watched


def _watched(
    name: str,
    seen: Seen,
    alone: Seen,
    measures: dict[str, int],
    hostile: dict[str, dict[str, int]],
) -> Watched:
    rate = seen.answered / seen.seconds
    return Watched(
        name=name,
        rate=rate,
        ratio=rate / (alone.answered / alone.seconds) if alone.answered else 0.0,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        max_ms=seen.max_ms,
        left_out=seen.left_out,
        refused=sum(seen.refused.values()),
        cpu_share=seen.server_cpu_s / seen.seconds,
        measures=measures,
        hostile=hostile,
    )


def _measures(pool: Pool) -> dict[str, int]:
    """Return what the guard has done so far, by measure."""
    url = f"http://127.0.0.1:{pool.metrics_port}/status"
    with urllib.request.urlopen(url, timeout=END_S) as answer:
        state: dict[str, Any] = json.load(answer)
    measures: dict[str, int] = state["guard"]["measures"]
    return measures


@contextlib.contextmanager
def _attacking(pool: Pool, clients: int, addresses: str) -> Iterator[dict[str, dict[str, int]]]:
    """Have hostile clients at work inside the block; what became of them is there after it."""
    figures: dict[str, dict[str, int]] = {}
    command = [sys.executable, "-m", "benchmarks.load.hostile", str(pool.port), str(clients)]
    command += [addresses, pool.login.user]
    process = subprocess.Popen(
        command,
        env={**os.environ, "KENCH_LOAD_PASSWORD": pool.login.password},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    with process:
        try:
            yield figures
            out, _ = process.communicate("", END_S)
        except subprocess.TimeoutExpired:
            raise LoadError(f"the hostile clients did not end in {END_S:.0f} s") from None
        finally:
            if process.poll() is None:
                process.kill()
        if process.returncode:
            raise LoadError(f"the hostile clients ended with status {process.returncode}")
        figures.update(json.loads(out))


def faults(watched: list[Watched]) -> list[str]:
    """Say what must not be."""
    return [
        f"{one.name}: {one.ratio:.2f} of the undisturbed rate, not above {HELD_RATIO}"
        for one in watched
        if one.ratio <= HELD_RATIO
    ]


def table(watched: list[Watched]) -> Table:
    """Lay the parts of the run out for people."""
    shown = Table(title="honest miners beside hostile clients")
    names = ("hostile", "shares/s", "ratio", "p50 ms", "p99 ms", "max ms", "CPU")
    for name in (*names, "hostile conn."):
        shown.add_column(name, justify="left" if name == names[0] else "right")
    for one in watched:
        shown.add_row(
            one.name,
            f"{one.rate:,.0f}",
            f"{one.ratio:.2f}",
            f"{one.p50_ms:.2f}",
            f"{one.p99_ms:.1f}",
            f"{one.max_ms:.0f}",
            f"{one.cpu_share:.2f}",
            f"{sum(kind['begun'] for kind in one.hostile.values()):,}",
        )
    return shown


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hostile",
        description="Measure what hostile clients leave of the share rate of honest miners.",
        epilog="example: python -m benchmarks.hostile --honest 1000 --rate 10 --hostile 100",
    )
    parser.add_argument("--honest", type=int, default=1000, help="honest connections (1000)")
    parser.add_argument("--rate", type=float, default=10.0, help="shares a second of each (10)")
    parser.add_argument("--hostile", type=int, default=100, help="hostile clients (100)")
    parser.add_argument("--processes", type=int, default=1, help="fronts of the pool (1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured in each part (10)")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before that (2)")
    parser.add_argument("--settle", type=float, default=3.0, help="seconds between parts (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    phases = Phases(given.warm_up, given.seconds)
    try:
        allow_most_files()
        BUILD.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix="pool-", dir=BUILD) as folder,
            running_pool(Path(folder), given.processes) as pool,
        ):
            watched = measure(pool, given.honest, given.rate, given.hostile, phases, given.settle)
    except LoadError as fault:
        sys.stderr.write(f"hostile: {fault}\n")
        return 1
    console = Console()
    console.print(table(watched))
    for one in watched[1:]:
        done = ", ".join(f"{name} {count:,}" for name, count in one.measures.items())
        console.print(f"{one.name}: {done}")
    figures = {"parts": [asdict(one) for one in watched], "faults": faults(watched)}
    return end(console, faults(watched), figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
