"""Method `pplns`: a block pays the last N x network difficulty of work, whoever found blocks in it.

The window is counted back from the winning share, that one included, in the pool's order. It is
cut inside a share: of the oldest one only that part of its work counts which still fits, so that
the window is exactly as many hashes as the order says, or all there is. Within the window the order
of shares does not matter; which one is the oldest does.
"""

from collections.abc import Iterable, Mapping

from kench.payouts.methods import Credit

PPM = 1_000_000
"""`window_ppm` is the N of "last N shares", in millionths of the work of a block."""


def window_hashes(window_ppm: int, network_work_hashes: int) -> int:
    """Return how much work a window holds; at least one hash, so that a block pays somebody."""
    if window_ppm <= 0 or network_work_hashes <= 0:
        raise ValueError("a window is that of a network's work, and longer than nothing")
    return max(1, window_ppm * network_work_hashes // PPM)


class Pplns:
    """A window that is filled from its newest work back to its oldest."""

    def __init__(self, window_hashes: int) -> None:
        self._work_hashes: dict[int, int] = {}
        self.room_hashes = window_hashes
        """Work that still fits; nothing more is taken where it is 0."""

    def hold(self, work: int) -> bool:
        """Hold room for older work, if all of it fits; whose it is can be said later, by `fill`."""
        if work > self.room_hashes:
            return False
        self.room_hashes -= work
        return True

    def fill(self, work_hashes: Mapping[int, int]) -> None:
        """Say whose the work is for which room is held."""
        for participant_id, work in work_hashes.items():
            self._add(participant_id, work)

    def take(self, newest_first: Iterable[Credit]) -> int:
        """Take older work, one credit after the other, the last one in part where it is too much.

        Returns how many were taken; a credit without work counts where the window is not full.
        """
        taken = 0
        for participant_id, work in newest_first:
            if not self.room_hashes:
                break
            fits = min(work, self.room_hashes)
            self.room_hashes -= fits
            self._add(participant_id, fits)
            taken += 1
        return taken

    def work_hashes(self) -> dict[int, int]:
        """Return the work of each participant in the window."""
        return dict(self._work_hashes)

    def _add(self, participant_id: int, work: int) -> None:
        if work < 0:
            raise ValueError("work is never negative")
        if work:
            self._work_hashes[participant_id] = self._work_hashes.get(participant_id, 0) + work
