"""The market of the paper venue: a price that wanders around its base, and a book around it.

Both follow from a seed and the time alone, in whole numbers: the same second has the same book on
every machine and after every restart, and nothing of it need be kept.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, Protocol

MILLION = 1_000_000
OCTAVES = ((60, 2_000), (900, 8_000), (14_400, 20_000))
"""The price is a sum of waves: every so many ticks each takes a new height, of at most so many
parts per million of the base, and goes straight to it."""


class Quote(NamedTuple):
    """A price in tyiyn for a bitcoin, and how much somebody takes or gives at it."""

    price_tyiyn: int
    amount_sat: int


class Depth(NamedTuple):
    """Both sides of the book, best first."""

    bids: tuple[Quote, ...]
    asks: tuple[Quote, ...]


class Market(Protocol):
    """Whoever else trades on the venue."""

    def tick_of(self, at_us: int) -> int:
        """Return the number of the moment's book; one tick has one book."""
        ...

    def depth(self, tick: int) -> Depth:
        """Return the book of a tick, before any of our trades."""
        ...


@dataclass(frozen=True, slots=True)
class WanderingMarket:
    """A generated market."""

    seed: str
    base_tyiyn: int
    tick_us: int = 1_000_000
    half_spread_ppm: int = 500
    level_ppm: int = 300
    """How far apart two levels are."""
    levels: int = 20
    least_sat: int = 100_000
    most_sat: int = 40_000_000
    """What a level holds lies between these."""

    def tick_of(self, at_us: int) -> int:
        """Return the number of the tick that the moment is in."""
        return at_us // self.tick_us

    def mid_tyiyn(self, tick: int) -> int:
        """Return the middle of the book."""
        shift_ppm = sum(self._wave(tick, *octave) for octave in OCTAVES)
        return max(1000, self.base_tyiyn + self.base_tyiyn * shift_ppm // MILLION)

    def depth(self, tick: int) -> Depth:
        """Return the book of a tick."""
        mid = self.mid_tyiyn(tick)
        bids, asks = [], []
        for level in range(self.levels):
            away = mid * (self.half_spread_ppm + level * self.level_ppm) // MILLION + level + 1
            if away < mid:
                bids.append(Quote(mid - away, self._amount(tick, level)))
            asks.append(Quote(mid + away, self._amount(tick, self.levels + level)))
        return Depth(tuple(bids), tuple(asks))

    def _wave(self, tick: int, period: int, height_ppm: int) -> int:
        start, into = divmod(tick, period)
        before = self._draw(f"{period}:{start}", 2 * height_ppm + 1) - height_ppm
        after = self._draw(f"{period}:{start + 1}", 2 * height_ppm + 1) - height_ppm
        return before + (after - before) * into // period

    def _amount(self, tick: int, level: int) -> int:
        return self.least_sat + self._draw(
            f"amount:{tick}:{level}", self.most_sat - self.least_sat + 1
        )

    def _draw(self, what: str, below: int) -> int:
        digest = hashlib.sha256(f"{self.seed}:{what}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % below


@dataclass(slots=True)
class SetMarket:
    """A market whose book is set by hand: each setting is a tick of its own."""

    bids: tuple[Quote, ...] = ()
    asks: tuple[Quote, ...] = ()
    tick: int = 0

    def set(self, bids: tuple[Quote, ...], asks: tuple[Quote, ...] = ()) -> None:
        """Take a new book."""
        self.bids, self.asks = bids, asks
        self.tick += 1

    def tick_of(self, at_us: int) -> int:  # noqa: ARG002 - the hand sets the time too
        """Return the number of the newest setting."""
        return self.tick

    def depth(self, tick: int) -> Depth:  # noqa: ARG002 - older ones are forgotten
        """Return the newest setting."""
        return Depth(self.bids, self.asks)
