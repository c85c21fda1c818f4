"""Method `round`: a block pays all work since the pool's block before, to its own share inclusive.

In which order that work was done does not matter.
"""

from collections.abc import Iterable

from kench.payouts.methods import Credit, work_of_credits


class Round:
    """Work gathered until a block is found."""

    def __init__(self, credited: Iterable[Credit] = ()) -> None:
        self._work_hashes = work_of_credits(credited)

    def add(self, credited: Iterable[Credit]) -> None:
        """Take work that came after all work taken before."""
        for participant_id, work in work_of_credits(credited).items():
            self._work_hashes[participant_id] = self._work_hashes.get(participant_id, 0) + work

    def work_hashes(self) -> dict[int, int]:
        """Return the work of each participant so far."""
        return dict(self._work_hashes)

    def close(self) -> None:
        """Begin anew, without work: a block was found."""
        self._work_hashes = {}
