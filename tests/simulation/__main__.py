"""`make simulate`: stories of the settlement path through faults, each the work of its seed."""

import argparse
import os
import secrets
import sys
import time

from tests.simulation.campaign import Tally, campaign
from tests.simulation.mutations import MUTATIONS

TRACE_LINES = 60
SEEDS = 2**40


def main() -> int:
    """Tell stories; 1 where one broke something, which is then told with its seed and trace."""
    parser = argparse.ArgumentParser(
        prog="make simulate",
        description="Tell seeded stories of the settlement path through faults, and look after "
        "each step. Example: make simulate SECONDS=180, or SEED=17 for that one with its trace.",
    )
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, help="tell this story alone, and print its trace")
    parser.add_argument("--first", type=int, help="the first seed; any if it is not given")
    parser.add_argument("--stories", type=int, default=sys.maxsize, help="at most so many")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), default="",
                        help="a fault put into the product, to see that it is found")  # fmt: skip
    asked = parser.parse_args()
    if asked.seed is not None:
        return _tell_one(asked.seed, asked.mutation)
    first = secrets.randbelow(SEEDS) if asked.first is None else asked.first
    stories = -(-asked.stories // asked.processes)
    began_s = time.monotonic()

    def progress(tally: Tally) -> None:
        print(f"\r{_words(tally, time.monotonic() - began_s)}", end="", file=sys.stderr)

    tally = campaign(asked.seconds, first, asked.processes, stories, asked.mutation, progress)
    print(file=sys.stderr)
    print(f"seeds from {first} on: {_words(tally, time.monotonic() - began_s)}")
    print("stories that came to: " + ", ".join(f"{n} {name}" for name, n in tally.reached.items()))
    for told in tally.broken[:1]:
        _show(told.seed, told.trace[-TRACE_LINES:], told.broken)
        mutation = f" ARGS=\"--mutation '{asked.mutation}'\"" if asked.mutation else ""
        print(f"\nthe whole of it again: make simulate SEED={told.seed}{mutation}")
    return 1 if tally.broken else 0


def _tell_one(seed: int, mutation: str) -> int:
    # Pages of Kench are not needed for the help of this command.
    from tests.simulation.campaign import Plan, told_stories  # noqa: PLC0415 - only this needs it
    from tests.simulation.running import be_quiet, database_of, server  # noqa: PLC0415 - only this needs it

    be_quiet()
    with server() as (url, folder):
        plan = Plan(database_of(url, "stories"), folder / "story", seed, 1, 1e9, 1, mutation)
        for told in told_stories(plan):
            _show(seed, told.trace, told.broken or "nothing broke")
            return 1 if told.broken else 0
    return 1


def _show(seed: int, trace: list[str], broken: str) -> None:
    print("\n".join(trace))
    print(f"\nSEED {seed}: {broken}")


def _words(tally: Tally, seconds: float) -> str:
    return (
        f"{tally.stories} stories in {seconds:.0f} s ({tally.stories / max(seconds, 1):.1f}/s), "
        f"{tally.steps} steps, {tally.faults} faults, {tally.ended} to the end, "
        f"{len(tally.broken)} broken"
    )


if __name__ == "__main__":
    sys.exit(main())
