"""`make chaos`: minutes of faults, one after the other, by a seed."""

import argparse
import random
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.chaos import hosts
from tests.chaos.checks import BrokenPromiseError
from tests.chaos.one_machine import OneMachine
from tests.chaos.one_machine_faults import faults_of
from tests.chaos.steps import Fault, Step, run, table


def main() -> int:
    """Run, tell each step, print the table; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Run a pool on hosts of its own under load; break one thing after the other.",
        epilog="example: make chaos MINUTES=30 SEED=7",
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, help="the same faults in the same order")
    parser.add_argument("--only", default="", help="only faults with these words in their names")
    parser.add_argument("--log", type=Path, default=Path("build/chaos.jsonl"), metavar="FILE")
    given = parser.parse_args()
    reason = hosts.why_not()
    if reason is not None:
        sys.stderr.write(f"chaos: {reason}\n")
        return 2
    seed = random.randrange(2**32) if given.seed is None else given.seed
    print(f"chaos: seed {seed}, {given.minutes:g} minutes, log {given.log}", flush=True)
    given.log.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="kench-chaos-"))
    steps: list[Step] = []
    wrong: list[str] = []
    with given.log.open("w") as log:
        try:
            with OneMachine(folder) as stand:
                chosen = partial(chosen_of, stand, given.only)
                for step in run(stand, chosen, seed, given.minutes * 60, log):
                    steps.append(step)
                    tell(step)
                    wrong += [f"step {step.number}, {step.fault}: {one}" for one in step.broken]
                    if wrong:
                        break
        except BrokenPromiseError as broken:
            wrong.append(f"after step {len(steps)}: {broken}")
    print(table(steps))
    if wrong:
        print("\n".join(wrong))
        print(f"chaos: again with SEED={seed}; what the programs said is in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    print(f"chaos: {len(steps)} steps, nothing lost")
    return 0


def chosen_of(stand: OneMachine, only: str) -> list[Fault]:
    """Return the faults with these words in their names."""
    return [fault for fault in faults_of(stand) if only in fault.name]


def tell(step: Step) -> None:
    """Say how a step went, in a line."""
    served = "NOT SERVED" if step.served_s is None else f"served after {step.served_s:.1f} s"
    print(
        f"{step.number:3d}  {step.fault}: {served}, silence {step.silence_s:.1f} s, "
        f"{step.acknowledged:,} shares, {step.held.beyond} beyond, {step.held.lost} lost, "
        f"{step.held.blocks} blocks, booked in {step.held.booked_s:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
