"""What a front knows of an address beside its own: what it costs and has at the other fronts.

The job maker asks each front what its dearest addresses cost there, and tells each what they cost
at the others. While it does so, bans are its own to decide: a front sees but a part.
"""

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

from kench.stratum.costs import Address, CostLimits, decayed
from kench.stratum.feed import FeedBrokenError

# Addresses that are kept in view to be reported; later ones are taken in when there is room.
DEAR_MAX = 4096
# Addresses in one report besides those that were asked about, the dearest.
REPORTED_MAX = 256
# A job maker that has not asked for so long leaves this front to judge for itself.
LED_S = 5.0

# An address's name, what it costs, and how many authorised sessions it is known to have.
Entry = tuple[str, float, float]
# An address's name, for how many seconds it is banned, and how many bans in a row that makes.
BanEntry = tuple[str, float, int]


def entries_in(content: Mapping[str, Any]) -> list[Entry]:
    """Read the costs in a message; raises FeedBrokenError."""
    try:
        return [(str(name), float(cost), float(held)) for name, cost, held in content["costs"]]
    except (KeyError, TypeError, ValueError) as wrong:
        raise FeedBrokenError(f"the feed carries no costs ({wrong!r})") from wrong


def bans_in(content: Mapping[str, Any]) -> list[BanEntry]:
    """Read the bans in a message; raises FeedBrokenError."""
    try:
        return [(str(name), float(left), int(count)) for name, left, count in content["bans"]]
    except (KeyError, TypeError, ValueError) as wrong:
        raise FeedBrokenError(f"the feed carries no bans ({wrong!r})") from wrong


class Elsewhere:
    """What was told of the other fronts, and which addresses here are dear enough to report."""

    def __init__(self, limits: CostLimits) -> None:
        self._limits = limits
        self._fronts = 1
        self._asked_at: float | None = None
        self._told: dict[str, tuple[float, float]] = {}
        self._dear: dict[str, Address] = {}

    def is_led(self, now: float) -> bool:
        """Say whether the job maker decides on bans now."""
        return self._fronts > 1 and self._asked_at is not None and now - self._asked_at < LED_S

    def level(self, name: str, now: float) -> float:
        """Return what an address costs at the other fronts; negative where it is in credit."""
        told = self._told.get(name)
        if told is None or self._asked_at is None:
            return 0.0
        return decayed(told[0], now - self._asked_at, self._limits.half_life_s)

    def standing(self, name: str) -> float:
        """Return how many authorised sessions the address is known to have at the other fronts."""
        told = self._told.get(name)
        return 0.0 if told is None else told[1]

    def note(self, address: Address, level: float) -> None:
        """Take an address in view that costs so much here that all fronts' costs may matter.

        What costs less than that at each front is below the soft limit at all of them together.
        """
        if level * self._fronts >= self._limits.address_soft and len(self._dear) < DEAR_MAX:
            self._dear[address.name] = address

    def take(self, content: Mapping[str, Any], now: float) -> None:
        """Take what the job maker tells with its question; raises FeedBrokenError."""
        fronts = content.get("fronts")
        if not isinstance(fronts, int):
            raise FeedBrokenError("the feed does not say how many fronts there are")
        self._told = {name: (level, held) for name, level, held in entries_in(content)}
        self._fronts, self._asked_at = fronts, now

    def report(self, addresses: Mapping[str, Address], now: float) -> list[Entry]:
        """Return what was asked about, and the dearest here besides."""
        half_life_s = self._limits.half_life_s
        levels = {name: one.level(now, half_life_s) for name, one in self._dear.items()}
        for name, level in levels.items():
            if level * self._fronts < self._limits.address_soft / 2:
                del self._dear[name]
        dearest: Iterable[str] = levels
        if len(levels) > REPORTED_MAX:
            dearest = heapq.nlargest(REPORTED_MAX, levels, key=levels.__getitem__)
        found = []
        for name in {*self._told, *dearest}:
            one = addresses.get(name) or self._dear.get(name)
            if one is None:
                found.append((name, 0.0, 0.0))
            else:
                level, standing = one.level(now, half_life_s), one.standing(now)
                found.append((name, round(level, 1), round(standing, 1)))
        return found
