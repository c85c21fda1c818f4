"""Root of `kench sim`: what a pool of a given size would need, simulated on measured costs."""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from kench.native import require_compiled
from kench.pool.clock import SystemClock
from kench.pool.moments import moment_text
from kench.pool.roots import command, end_tidily, run_root
from kench.sim.calibration import costs_of
from kench.sim.costs import Costs
from kench.sim.measuring import measure
from kench.sim.page import SIZES, kept_beside, page_with, simulate
from kench.sim.page import tables_of as page_tables
from kench.sim.study import WORKERS_EACH, Plan, fronts_of, study
from kench.sim.tables import facts_of, tables_of

ROLE = "sim"
WIDTH = 140
EXAMPLE = """kench sim --workers 1000000 --fronts 1,2,4,8,16 --hours 2 --seed 7
  kench sim --workers 10000 --fronts 1 --hours 0.5 --costs costs.json --json found.json

to measure this machine, five minutes in a checkout of the source, with nothing else on it:
  kench sim --calibrate --costs costs.json
  kench sim --workers 1000000 --fronts 8,16,32 --hours 2 --costs costs.json
the tables of docs/capacity.md made anew, some minutes (both: make capacity):
  kench sim --page docs/capacity.md"""


def main() -> int:
    """Simulate and print, or make a file of costs, or the page's tables."""
    parser = command(
        ROLE,
        "Simulate a pool: so many workers, each with the pool's own difficulty rules, on so many\n"
        "fronts, each with the pool's own pacing, group commit and broadcast. What things cost is\n"
        "read from a file that benchmarks made. docs/capacity.md explains the tables.",
        example=EXAMPLE,
        data=False,
    )
    parser.add_argument("--workers", type=int, default=10_000, metavar="N", help="(10000)")
    parser.add_argument(
        "--participants", type=int, metavar="N", help=f"(a {WORKERS_EACH}th of the workers)"
    )
    parser.add_argument("--fronts", default="1,2,4", metavar="N,N", help="to compare (1,2,4)")
    parser.add_argument("--hours", type=float, default=1.0, help="simulated (1)")
    parser.add_argument("--seed", type=int, default=7, help="of all that is drawn (7)")
    parser.add_argument(
        "--shares-per-minute", type=float, metavar="N", help="of each worker (the setting's)"
    )
    parser.add_argument(
        "--network-ehs", type=float, default=1000.0, metavar="N", help="the network, EH/s (1000)"
    )
    parser.add_argument("--costs", type=Path, metavar="FILE", help="(of the program's own machine)")
    parser.add_argument(
        "--calibrate", action="store_true", help="measure this machine, write --costs"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FOLDER", help="keep what --calibrate measured there"
    )
    parser.add_argument("--page", type=Path, metavar="FILE", help="make a page's tables anew")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    end_tidily()
    if given.calibrate:
        if given.costs is None:
            parser.error("--calibrate: say by --costs where to write them")
        require_compiled()
        return _calibrate(given.costs, given.figures)
    try:
        fronts = fronts_of(given.fronts)
    except ValueError as wrong:
        parser.error(f"--fronts: {wrong}")
    if given.workers < 1 or given.hours <= 0 or given.network_ehs <= 0:
        parser.error("--workers, --hours and --network-ehs are above 0")
    require_compiled()
    costs = Costs.read(given.costs)
    if given.page is not None:
        return _page(given.page, costs)
    plan = Plan.by_settings(
        given.workers, fronts, given.hours, given.seed, given.shares_per_minute,
        given.network_ehs, given.participants,
    )  # fmt: skip
    found = study(plan, costs, _tell)
    console = Console(width=WIDTH, highlight=False)
    for line in facts_of(found):
        console.print(line)
    for table in tables_of(found):
        console.print(table)
    if given.json is not None:
        given.json.write_text(json.dumps(found.as_object(), indent=1) + "\n")
    return 0


def _calibrate(costs: Path, figures: Path | None) -> int:
    """Measure, and write what was found once all of it is there."""
    load, day = os.getloadavg()[0], SystemClock().now_us()
    with contextlib.ExitStack() as stack:
        folder = figures or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measure(folder, _tell)
        text = costs_of(folder, moment_text(day)[:10], load).text()
    costs.write_text(text)
    return 0


def _page(page: Path, costs: Costs) -> int:
    before = page.read_text()
    kept = simulate(SIZES, costs, _tell)
    after = page_with(before, page_tables(kept, costs))
    kept_beside(page).write_text(kept.text())
    page.write_text(after)
    return 0


def _tell(words: str) -> None:
    sys.stderr.write(f"kench {ROLE}: {words}\n")


if __name__ == "__main__":
    run_root(ROLE, main)
