"""Who mines: machines by their hashrate, an assumption that the pages of a run name."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Machine, TH/s as its maker says, and its part of all workers. Old ones stay where power is cheap;
# the last is a device of people's homes.
MACHINES = (
    ("S9", 13.5, 0.08),
    ("T17", 40.0, 0.07),
    ("S17 Pro", 53.0, 0.10),
    ("M30S", 88.0, 0.13),
    ("S19", 95.0, 0.22),
    ("S19j Pro+", 120.0, 0.16),
    ("S19 XP", 140.0, 0.10),
    ("S21", 200.0, 0.12),
    ("Bitaxe", 1.0, 0.02),
)
# A machine's own hashrate lies about its maker's figure by so much (standard deviation).
SPREAD = 0.05
TERA = 1e12


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hashes a second of each worker."""

    hashrates: Floats

    @classmethod
    def of(cls, workers: int, chance: np.random.Generator) -> Self:
        """Return so many workers, drawn by the table."""
        kinds = chance.choice(len(MACHINES), workers, p=[part for _, _, part in MACHINES])
        rates = np.array([tera * TERA for _, tera, _ in MACHINES])[kinds]
        return cls(rates * np.clip(chance.normal(1.0, SPREAD, workers), 0.5, 1.5))

    @property
    def hashes_per_s(self) -> float:
        """All of them together."""
        return float(self.hashrates.sum())
