"""A block's reward split among a million participants, exactly.

    python -m benchmarks.split [--participants 1000000]

CPU time of `kench.payouts.split.split` alone, as the best of the rounds, for work as a pool has it
and for work that is hard to tell apart. Beside it, one share of the sum in plain Python for each
participant, to compare machines by. Exit status 1: it takes longer than it is held to, or what it
gives is not the reward.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from kench.payouts.split import split

PARTICIPANTS = 1_000_000
REWARD_SAT = 312_500_000
# A million in a second, and as much for each of fewer.
HELD_US = 1.0


def kinds_of_work(seed: int) -> dict[str, Callable[[int], int]]:
    """Return, by name, how much work participant i made."""
    chance = random.Random(seed)
    return {
        "a day's work": lambda _: chance.getrandbits(64) + 1,
        "78 digits": lambda _: chance.randrange(10**77, 10**78),
        "all the same": lambda _: 10**18,
        "a hash apart": lambda i: 2**200 + i,
    }


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether the split is as fast as it is held to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.split",
        description="Measure how long a reward's split takes.",
        epilog="example: python -m benchmarks.split --participants 100000",
    )
    parser.add_argument("--participants", type=int, default=PARTICIPANTS, help="(1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    shown = Table(title=f"a reward split among {given.participants:,}")
    for name in ("work", "CPU s", "plain quotients CPU s"):
        shown.add_column(name, justify="right" if name != "work" else "left")
    figures, faults = {}, []
    for name, work_of in kinds_of_work(1).items():
        work_hashes = {i + 1: work_of(i) for i in range(given.participants)}
        best_s = plain_s = float("inf")
        for _ in range(given.rounds):
            start = time.process_time()
            amounts = split(REWARD_SAT, work_hashes)
            best_s = min(best_s, time.process_time() - start)
            start = time.process_time()
            total = sum(work_hashes.values())
            _ = [REWARD_SAT * work // total for work in work_hashes.values()]
            plain_s = min(plain_s, time.process_time() - start)
            if sum(amounts.values()) != REWARD_SAT:
                faults.append(f"{name}: the amounts are not the reward")
        shown.add_row(name, f"{best_s:.2f}", f"{plain_s:.2f}")
        figures[name] = {"cpu_s": best_s, "plain_cpu_s": plain_s}
        if best_s > HELD_US * given.participants / 1e6:
            faults.append(f"{name}: {best_s:.2f} s of CPU for {given.participants:,}")
    console = Console()
    console.print(shown)
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
