"""Keeping parts alive: each that ends is started again, sooner or later; all are ended in order.

Nothing here waits: `tick` looks once at every part and is called a few times a second. `stop` is
the exception, with a bound for each part.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from kench.pool.backoff import PartBackoff
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.up.part import Part

ENDS_BEFORE_READY_MAX = 3
"""A part that ended so often before it was ready at all will not get ready."""


class PartFailedError(KenchError):
    """A part cannot be started; its own last line says why."""


@dataclass
class _Kept:
    part: Part
    stop_s: float
    started_s: float
    beside: bool
    backoff: PartBackoff = field(default_factory=PartBackoff)
    start_due_s: float | None = None
    ends: int = 0


class Supervisor:
    """The parts of one `kench up`, in the order in which they were started."""

    def __init__(self, clock: Clock, say: Callable[[str], None]) -> None:
        """Create it with nothing to keep; `say` shows a line to the people at the terminal."""
        self._clock = clock
        self._say = say
        self._kept: list[_Kept] = []

    @property
    def parts(self) -> list[Part]:
        """The parts that are kept alive."""
        return [kept.part for kept in self._kept]

    def start(self, part: Part, *, stop_s: float, beside: bool = False) -> None:
        """Start a part and keep it alive; at the end it gets `stop_s` seconds to stop.

        A part `beside` the one started before it needs nothing of it: they stop at the same time.
        """
        self._kept.append(_Kept(part, stop_s, self._clock.monotonic(), beside))
        part.start()

    def tick(self) -> None:
        """Look at every part once: see what ended, start what is due."""
        now = self._clock.monotonic()
        for kept in self._kept:
            if kept.start_due_s is None:
                status = kept.part.poll()
                if status is not None:
                    self._see_end(kept, status, now)
            elif now >= kept.start_due_s:
                kept.start_due_s = None
                kept.started_s = now
                kept.part.start()

    def check_starting(self, part: Part) -> None:
        """Raise PartFailedError if a part that is not ready yet has ended too often to ever be."""
        for kept in self._kept:
            if kept.part is part and kept.ends >= ENDS_BEFORE_READY_MAX:
                words = part.last_words() or "it said nothing"
                raise PartFailedError(f"{part.role} does not start: {words} (log: {part.log_path})")

    def stop(self) -> list[str]:
        """End every part, the last started first; return the roles that had to be killed."""
        groups: list[list[_Kept]] = []
        for kept in self._kept:
            if kept.beside and groups:
                groups[-1].append(kept)
            else:
                groups.append([kept])
        self._kept.clear()
        return [role for group in reversed(groups) for role in self._stop_together(group)]

    def _stop_together(self, group: list[_Kept]) -> list[str]:
        began_s = self._clock.monotonic()
        for kept in group:
            kept.part.ask_to_end()
        return [
            kept.part.role
            for kept in sorted(group, key=lambda kept: kept.stop_s)
            if not kept.part.stop(max(0.0, began_s + kept.stop_s - self._clock.monotonic()))
        ]

    def _see_end(self, kept: _Kept, status: int, now: float) -> None:
        part = kept.part
        words = part.last_words()
        kept.ends += 1
        delay_s = kept.backoff.delay_after_end(kept.started_s, now)
        kept.start_due_s = now + delay_s
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        if kept.backoff.looping:
            self._say(
                f"kench: {part.role} {how} again ({words or 'it said nothing'}); see "
                f"{part.log_path}; next start in {delay_s:.0f} s"
            )
        else:
            self._say(f"kench: {part.role} {how}; starting it again")
