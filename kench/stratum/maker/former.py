"""A generation of fronts with its claim, and the one that a reload found."""

from dataclasses import dataclass
from typing import Any

from kench.stratum.maker.fronts import Fronts
from kench.stratum.maker.generation import Generation
from kench.stratum.maker.reloading import Succession


@dataclass(frozen=True, slots=True)
class Kept:
    """Fronts, and the numbers that are theirs."""

    generation: Generation
    fronts: Fronts


@dataclass(frozen=True, slots=True)
class Former:
    """What served before a reload, and what becomes of it."""

    kept: Kept
    succession: Succession
    values: list[list[Any]]
    """Who holds which extranonce1."""
