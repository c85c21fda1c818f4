"""Whose a lease is by what one process has seen of it and said: the rule alone, without I/O.

What all see of a lease changes each time that its holder says it lives. Who has seen the same for
`ttl_s` may take it; whose word was not answered for `ttl_s` does not hold it. Each goes by its own
monotonic clock: they need not agree, only run alike. A holder counts from before it asked, who
looks on from after it was answered, so the one's time is over before the other's is.

`kench.pool.lease` has it in PostgreSQL, `kench.pool.nats.lease` in the key-value store of NATS.
"""

from typing import Generic, TypeVar

from kench.pool.clock import Clock

RENEWALS = 4
"""A holder says so many times within `ttl_s` that it lives, so a lost answer does not cost it."""
Sight = TypeVar("Sight")


class Watched(Generic[Sight]):
    """A lease in the eyes of one process; a sight is what changes with each word of its holder.

    `is_held` may be asked by any thread, all else by one at a time.
    """

    def __init__(self, ttl_s: float, clock: Clock) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._until_s = float("-inf")
        self._seen: Sight | None = None
        self._seen_s = 0.0

    @property
    def is_held(self) -> bool:
        """Whether it is ours, and nobody who looked on can have taken it before this moment."""
        return self._clock.monotonic() < self._until_s

    @property
    def seen(self) -> Sight | None:
        """How it was when it was last looked at; None before."""
        return self._seen

    def begin(self) -> float:
        """Return the moment at which asking for it begins, for `hold`."""
        return self._clock.monotonic()

    def hold(self, began_s: float) -> None:
        """Note that we were answered: what we asked since `began_s` made or kept it ours."""
        self._until_s = began_s + self._ttl_s

    def lose(self) -> None:
        """Note that it is not ours, or will not be in a moment."""
        self._until_s = float("-inf")

    def look(self, sight: Sight) -> bool:
        """Note how it is, as we were just told; return whether it was so for `ttl_s`."""
        now_s = self._clock.monotonic()
        if self._seen is None or sight != self._seen:
            self._seen, self._seen_s = sight, now_s
        return now_s - self._seen_s >= self._ttl_s
