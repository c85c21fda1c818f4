"""`kench sim --calibrate`: the benchmarks of the source tree, one after the other, as processes."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kench.sim.costs import CostsError

# By name, with words that make each as short as its figure allows: five minutes in all.
RUNS = {
    "share_path": "--cells 1000x1 --seconds 4",
    "steady": "--seconds 5",
    "standby": "--no-switch --batches 1000",
    "fan_out": "--rounds 5",
    "login_storm": "--rounds 1",
    "reload": "--connections 2000 --rate 400 --drain 3",
    "statistics": "--seconds 12",
    "settling": "--records 200000",
    "books": "--rounds 1",
    "jetstream": "--batches 500",
    "memory": "--sessions 1000,5000",
}
LONGEST_S = 300.0
LAST_WORDS = 400


def measure(folder: Path, tell: Callable[[str], None], root: Path | None = None) -> None:
    """Run each, which leaves its figures in the folder; `tell` hears how far it is.

    Figures that worry a benchmark are told and used. Raises CostsError where one has none.
    """
    root = root or Path(__file__).parents[2]
    if not (root / "benchmarks").is_dir():
        raise CostsError(
            f"there are no benchmarks in {root}: --calibrate runs in a checkout of the source, "
            "built by `make dev`; take its costs.json to where --costs is wanted"
        )
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, words) in enumerate(RUNS.items(), 1):
        begun, figures = time.monotonic(), folder / f"{name}.json"
        figures.unlink(missing_ok=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *words.split()]
        try:
            done = subprocess.run(  # noqa: S603 - names and words are those above
                [*command, "--json", str(figures)],
                cwd=root,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise CostsError(f"benchmarks.{name} was not done in {LONGEST_S:g} s") from late
        if not figures.exists():
            raise CostsError(f"benchmarks.{name} has no figures: {done.stdout[-LAST_WORDS:]}")
        for line in done.stdout.splitlines():
            if line.startswith("not as it must be:"):
                tell(f"{name}: {line}")
        tell(f"{number} of {len(RUNS)}: {name}, {time.monotonic() - begun:.0f} s")
