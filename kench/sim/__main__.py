"""Root of `kench sim`: what a pool of a given size would need, simulated on measured costs."""

import json
import sys
from pathlib import Path

from rich.console import Console

from kench.native import require_compiled
from kench.pool.roots import command, end_tidily, run_root
from kench.pool.settings import Settings
from kench.sim.calibration import NEEDED, costs_of
from kench.sim.costs import Costs
from kench.sim.study import Plan, fronts_of, study
from kench.sim.tables import facts_of, tables_of
from kench.stratum.difficulty import DifficultyLimits

ROLE = "sim"
WIDTH = 140
WORKERS_EACH = 50
EXAMPLE = """kench sim --workers 1000000 --fronts 1,2,4,8,16 --hours 2 --seed 7
  kench sim --workers 10000 --fronts 1 --hours 0.5 --costs costs.json --json found.json

to measure this machine instead of using the costs that come with the program:
  for name in NAMES; do python -m benchmarks.$name --json figures/$name.json; done
  kench sim --calibrate figures --costs costs.json
where NAMES are """


def main() -> int:
    """Simulate and print, or make a file of costs."""
    parser = command(
        ROLE,
        "Simulate a pool: so many workers, each with the pool's own difficulty rules, on so many\n"
        "fronts, each with the pool's own pacing, group commit and broadcast. What things cost is\n"
        "read from a file that benchmarks made. docs/capacity.md explains the tables.",
        example=EXAMPLE + " ".join(NEEDED),
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
        "--calibrate", type=Path, metavar="FOLDER", help="make --costs of figures of benchmarks"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    end_tidily()
    if given.calibrate is not None:
        if given.costs is None:
            parser.error("--calibrate: say by --costs where to write them")
        given.costs.write_text(costs_of(given.calibrate).text())
        return 0
    try:
        fronts = fronts_of(given.fronts)
    except ValueError as wrong:
        parser.error(f"--fronts: {wrong}")
    if given.workers < 1 or given.hours <= 0 or given.network_ehs <= 0:
        parser.error("--workers, --hours and --network-ehs are above 0")
    require_compiled()
    costs = Costs.read(given.costs)
    plan = Plan(
        workers=given.workers,
        participants=given.participants or max(1, given.workers // WORKERS_EACH),
        fronts=fronts,
        hours=given.hours,
        seed=given.seed,
        network_ehs=given.network_ehs,
        limits=_limits(given.shares_per_minute),
        job_refresh_s=Settings.model_fields["job_refresh_s"].default,
        logins_per_s=Settings.model_fields["logins_per_s"].default,
    )
    found = study(plan, costs, _tell)
    console = Console(width=WIDTH, highlight=False)
    for line in facts_of(found):
        console.print(line)
    for table in tables_of(found):
        console.print(table)
    if given.json is not None:
        given.json.write_text(json.dumps(found.as_object(), indent=1) + "\n")
    return 0


def _limits(shares_per_minute: float | None) -> DifficultyLimits:
    """Return what the settings begin with."""
    fields = Settings.model_fields
    return DifficultyLimits(
        fields["start_difficulty"].default,
        fields["min_difficulty"].default,
        fields["max_difficulty"].default,
        shares_per_minute or fields["shares_per_minute"].default,
    )


def _tell(words: str) -> None:
    sys.stderr.write(f"kench {ROLE}: {words}\n")


if __name__ == "__main__":
    run_root(ROLE, main)
