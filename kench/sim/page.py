"""docs/capacity.md: its tables written from what was simulated, which is kept in a file beside it.

A table stands between two comments, `<!-- kench sim: NAME -->` and `<!-- end -->`.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from kench.sim.costs import Costs, CostsError
from kench.sim.inputs import bounds_sheet, checks_sheet, inputs_sheet
from kench.sim.needs import Machine, Needs
from kench.sim.sheets import MILLION, fronts_sheet, memory_sheet, needs_sheet
from kench.sim.study import Plan, study

HOURS, SEED, NETWORK_EHS = 2.0, 7, 1000.0
# Workers, shares a minute of each, fronts to choose from.
SIZES = (
    (1_000, 12.0, (1, 2)),
    (10_000, 12.0, (1, 2, 4)),
    (100_000, 12.0, (2, 4, 8, 16)),
    (MILLION, 2.0, (8, 16, 32)),
    (MILLION, 12.0, (16, 32, 64)),
)
BLOCK = re.compile(r"(<!-- kench sim: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was simulated, and of which costs."""

    costs: str
    """SHA-256 of their file."""
    rows: list[Needs]

    def text(self) -> str:
        """Return the file's contents."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file. Raises CostsError."""
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            return cls(found["costs"], [Needs.read(row) for row in found["rows"]])
        except (OSError, ValueError, KeyError, TypeError) as broken:
            raise CostsError(
                f"{path} cannot be read ({broken!r}): make it anew, `make capacity`"
            ) from broken

    def groups(self) -> list[list[Needs]]:
        """Return the rows of each size."""
        return [
            list(rows)
            for _, rows in itertools.groupby(
                self.rows, lambda one: (one.workers, one.shares_per_minute)
            )
        ]


def simulate(
    sizes: Sequence[tuple[int, float, tuple[int, ...]]], costs: Costs, tell: Callable[[str], None]
) -> Kept:
    """Simulate pools of several sizes; a million take some minutes."""
    rows = []
    for workers, shares_per_minute, fronts in sizes:
        tell(f"{workers:,} workers, {shares_per_minute:g} shares a minute of each")
        plan = Plan.by_settings(workers, fronts, HOURS, SEED, shares_per_minute, NETWORK_EHS)
        found = study(plan, costs, lambda _: None)
        rows += [Needs.of(plan, found, pool, costs, Machine()) for pool in found.pools]
    return Kept(digest_of(costs), rows)


def digest_of(costs: Costs) -> str:
    """Return what a file of these costs is named by."""
    return hashlib.sha256(costs.text().encode()).hexdigest()


def tables_of(kept: Kept, costs: Costs) -> dict[str, str]:
    """Return each table of the page by its name."""
    groups = kept.groups()
    return {
        "machine": _machine(costs),
        "needs": needs_sheet(groups),
        "memory": memory_sheet(groups),
        "million": fronts_sheet([one for one in kept.rows if one.workers == MILLION]),
        "bounds": bounds_sheet(costs),
        "checks": checks_sheet(costs),
        "inputs": inputs_sheet(costs),
    }


def page_with(page: str, tables: dict[str, str]) -> str:
    """Return the page with its tables made anew. Raises CostsError where one has no place."""
    missing = set(tables) - {found[1] for found in BLOCK.findall(page)}
    if missing:
        raise CostsError(f"the page has no place for: {', '.join(sorted(missing))}")
    return BLOCK.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}", page)


def kept_beside(page: Path) -> Path:
    """Return the file that what was simulated is kept in."""
    return page.with_suffix(".json")


def _machine(costs: Costs) -> str:
    one = Machine()
    return (
        f"Measured on {costs.day}: {costs.machine}, one run of `kench sim --calibrate`; load "
        f"average {costs.load:.1f} before it. Machines are of {one.cores} such cores, "
        f"{one.memory_bytes / 1e9:g} GB and {one.link_bps / 1e9:g} Gbit/s, as many as carry half "
        "as much again as the load takes."
    )
