"""The work of many shares at once: exact integers in limbs that numpy can sum, floats beside them.

A work has up to 128 bits here, four limbs of 32; sums of 2^32 works fit the 64 bits of a limb.
"""

import numpy as np
import numpy.typing as npt

from kench.pool.work import work_of

LIMBS, LIMB_BITS = 4, 32
# Different difficulties remembered; past it all are forgotten.
DIFFICULTIES_MAX = 1 << 18

Floats = npt.NDArray[np.float64]
Limbs = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]


class Works:
    """Work by difficulty, found for whole arrays of doubles."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._bits = np.empty(0, np.uint64)  # sorted; doubles are compared by their bits
        self._limbs = np.empty((LIMBS, 0), np.uint64)
        self._floats = np.empty(0, np.float64)

    def of(self, difficulties: Floats) -> tuple[Floats, Limbs]:
        """Return the work of each share as floats and as limbs, the lowest limb first."""
        bits = np.ascontiguousarray(difficulties).view(np.uint64)
        at = self._places(bits)
        if at is None:
            self._learn(np.unique(bits))
            at = self._places(bits)
            if at is None:
                raise AssertionError("a difficulty that was just learned is not known")
        return self._floats[at], self._limbs[:, at]

    def _places(self, bits: Limbs) -> Places | None:
        """Where each difficulty stands; None where one is not known."""
        if not len(self._bits):
            return None
        at = np.searchsorted(self._bits, bits)
        np.minimum(at, len(self._bits) - 1, out=at)
        return at if np.array_equal(self._bits[at], bits) else None

    def _learn(self, bits: Limbs) -> None:
        if len(self._bits) + len(bits) > DIFFICULTIES_MAX:
            self._forget()
        new = np.setdiff1d(bits, self._bits, assume_unique=True)
        works = [_work_of(one) for one in new.view(np.float64).tolist()]
        all_bits = np.concatenate((self._bits, new))
        order = np.argsort(all_bits)
        self._bits = all_bits[order]
        limbs = np.array([limbs_of(work) for work in works], np.uint64).reshape(-1, LIMBS).T
        self._limbs = np.concatenate((self._limbs, limbs), axis=1)[:, order]
        self._floats = np.concatenate((self._floats, np.array(works, np.float64)))[order]


def limbs_of(work_hashes: int) -> list[int]:
    """Split a work into its limbs, the lowest first."""
    return [(work_hashes >> (LIMB_BITS * limb)) & 0xFFFF_FFFF for limb in range(LIMBS)]


def joined(limbs: list[int]) -> int:
    """Put sums of limbs together again; a limb may have grown past its 32 bits."""
    return sum(limb << (LIMB_BITS * number) for number, limb in enumerate(limbs))


def _work_of(difficulty: float) -> int:
    """Return a share's work; none where no such difficulty can have been sent to a miner.

    Settlement stops at such a record and says so; statistics only must not be stopped by it.
    """
    try:
        work_hashes = work_of(difficulty)
    except ValueError:
        return 0
    return work_hashes if work_hashes >> (LIMBS * LIMB_BITS) == 0 else 0
