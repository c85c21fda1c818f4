"""`make chaos`: minutes of faults, one after the other, by a seed."""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos import hosts, nats_hosts, one_machine_faults, several_faults
from tests.chaos.checks import BrokenPromiseError
from tests.chaos.one_machine import OneMachine
from tests.chaos.several import Several
from tests.chaos.steps import Fault, Step, run, table

STANDS: dict[str, tuple[Any, Callable[[Any], list[Fault]]]] = {
    "several": (Several, several_faults.faults_of),
    "one": (OneMachine, one_machine_faults.faults_of),
}


def main() -> int:
    """Run, tell each step, print the table; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Run a pool on hosts of its own under load; break one thing after the other.",
        epilog="example: make chaos MINUTES=30 SEED=7",
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, help="the same faults in the same order")
    parser.add_argument(
        "--stand", choices=STANDS, default="several",
        help="several machines over NATS, or one machine and its standby",
    )  # fmt: skip
    parser.add_argument("--only", default="", help="only faults with these words in their names")
    parser.add_argument("--log", type=Path, default=Path("build/chaos.jsonl"), metavar="FILE")
    given = parser.parse_args()
    reason = hosts.why_not()
    if reason is None and given.stand == "several":
        reason = nats_hosts.why_not()
    if reason is not None:
        sys.stderr.write(f"chaos: {reason}\n")
        return 2
    seed = random.randrange(2**32) if given.seed is None else given.seed
    made_of, faults_of = STANDS[given.stand]
    print(
        f"chaos: seed {seed}, {given.stand}, {given.minutes:g} minutes, log {given.log}", flush=True
    )
    given.log.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="kench-chaos-"))
    steps: list[Step] = []
    wrong: list[str] = []
    with given.log.open("w") as log:
        try:
            with made_of(folder) as stand:

                def chosen() -> list[Fault]:
                    return [fault for fault in faults_of(stand) if given.only in fault.name]

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
        print(f"chaos: what the programs said is in {folder}; again with:")
        print(f"make chaos STAND={given.stand} SEED={seed}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    print(f"chaos: {len(steps)} steps, nothing lost")
    return 0


def tell(step: Step) -> None:
    """Say how a step went, in a line."""
    served = "NOT SERVED" if step.served_s is None else f"served after {step.served_s:.1f} s"
    also = "".join(f", {what} after {seconds:.1f} s" for what, seconds in step.noted.items())
    print(
        f"{step.number:3d}  {step.fault}: {served}{also}, silence {step.silence_s:.1f} s, "
        f"{step.acknowledged:,} shares, {step.held.beyond} beyond, {step.held.lost} lost, "
        f"{step.held.blocks} blocks, booked in {step.held.booked_s:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
