"""What the paper venue does wrong, and how often: a draw for each order decides."""

import random
from collections.abc import Mapping

from kench.pool.venue_settings import VenueFault
from kench.venue.exchange import MILLION, PLAIN, Whim

DEFER_US_MAX = 3_000_000


class FaultPlan:
    """Draws the fault of each request from a seed."""

    def __init__(self, shares: Mapping[VenueFault, float], seed: str) -> None:
        self._shares = dict(shares)
        # What is drawn is no secret: the same seed must do the same wrongs.
        self._draw = random.Random(seed)  # noqa: S311 - a trial's faults, no secret

    def next(self) -> VenueFault | None:
        """Return the fault of the next request, mostly none."""
        if not self._shares:
            return None
        point = self._draw.random()
        for fault, share in self._shares.items():
            if point < share:
                return fault
            point -= share
        return None

    def whim(self, fault: VenueFault | None) -> Whim:
        """Return what a fault does to an order."""
        if fault is VenueFault.REJECT:
            return Whim(reject="the venue rejects an order now and then")
        if fault is VenueFault.PARTIAL:
            return Whim(take_ppm=self._draw.randrange(MILLION))
        if fault is VenueFault.DEFER:
            return Whim(defer_us=self._draw.randrange(1, DEFER_US_MAX))
        return PLAIN
