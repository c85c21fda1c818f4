"""One fault after the other, in an order that the seed makes, and what is said of each."""

import contextlib
import itertools
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol, TextIO

from tests.chaos.checks import BrokenPromiseError, Checks, Held, Place
from tests.chaos.miners import Miners

STEADY_S = 30.0
"""Before a step all miners are served, within this time."""

Noted = dict[str, float]
"""Seconds that something else took, such as an election."""
Strike = Callable[[random.Random], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Fault:
    """Something that befalls the pool. Entering `strike` does it, leaving it mends it.

    What entering gives may be `Noted`.
    """

    name: str
    promise: str
    limit_s: float
    """No miner waits longer."""
    strike: Strike
    hold_s: tuple[float, float] = (1.0, 3.0)
    """For how long it lasts: from, to."""
    served_meanwhile: bool = True
    """Whether miners can be served while it lasts; else the time counts from its end."""
    moves: bool = False
    """Whether the books are elsewhere afterwards."""
    is_long: bool = False
    """Whether it is left to `make chaos`, since the pool needs long to be as before."""


@dataclass(frozen=True)
class Step:
    """What one fault did."""

    number: int
    fault: str
    promise: str
    served_s: float | None
    """The longest that any miner waited, counted from the fault's end where nobody can be served
    while it lasts; None: longer than was promised."""
    silence_s: float
    """The longest that any miner had no share acknowledged, the fault itself among it."""
    acknowledged: int
    """Shares acknowledged from this step's begin to its check."""
    held: Held
    noted: Noted = field(default_factory=dict)

    @property
    def broken(self) -> list[str]:
        """Everything that was promised and is not so."""
        late = [] if self.served_s is not None else [f"not all miners are served: {self.promise}"]
        return [*late, *self.held.wrong]


class Stand(Protocol):
    """A pool on hosts."""

    miners: Miners

    def place(self) -> Place:
        """Where its books are now."""
        ...

    def settle_down(self) -> None:
        """Wait until it is as it was before a fault, such as a standby that has everything."""
        ...


def run(
    stand: Stand,
    faults: Callable[[], Sequence[Fault]],
    seed: int,
    seconds: float,
    log: TextIO | None = None,
) -> Iterator[Step]:
    """Yield each step, its checks made. The same seed has the same faults in the same order.

    `faults` says what can befall the stand as it stands now; each comes once before any comes
    again.
    """
    chance = random.Random(seed)
    stand.settle_down()
    checks = Checks(stand.place())
    ends = time.monotonic() + seconds
    order: list[str] = []
    for number in itertools.count(1):
        if time.monotonic() > ends:
            return
        if not order:
            order = [fault.name for fault in faults()]
            chance.shuffle(order)
        name = order.pop()
        fault = next(one for one in faults() if one.name == name)
        # A chance of its own: how often a fault asks for one must not move the next ones.
        step = take(stand, fault, checks, number, random.Random(chance.getrandbits(64)))
        if log is not None:
            log.write(json.dumps({"seed": seed, **asdict(step)}) + "\n")
            log.flush()
        yield step


def take(stand: Stand, fault: Fault, checks: Checks, number: int, chance: random.Random) -> Step:
    """Have one fault befall the stand, and look. Raises BrokenPromiseError before it only."""
    miners = stand.miners
    if miners.wait_until_served(time.monotonic(), STEADY_S) is None:
        raise BrokenPromiseError(f"before {fault.name}, not all miners are served")
    before = len(checks.acknowledged)
    miners.count_silence()
    with fault.strike(chance) as noted:
        time.sleep(chance.uniform(*fault.hold_s))
    mended = time.monotonic()
    served_s = miners.wait_until_served(mended, fault.limit_s)
    silence_s = miners.longest_silence_s()
    if fault.served_meanwhile and served_s is not None:
        # Right after a fault miners may be served a last time, so the moment of the fault is no
        # measure: what counts is how long any of them had nothing.
        served_s = silence_s if silence_s <= fault.limit_s else None
    stand.settle_down()
    if fault.moves:
        checks.move(stand.place())
    miners.pause()
    held = checks.look(miners)
    miners.go_on()
    acknowledged = held.acknowledged - before
    step = Step(number, fault.name, fault.promise, served_s, silence_s, acknowledged, held)
    return replace(step, noted=noted) if isinstance(noted, dict) else step


def table(steps: Sequence[Step]) -> str:
    """Return the table of docs/reliability.md: each fault, the promise, what was measured."""
    by_fault: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in steps:
        by_fault[step.fault, step.promise].append(step)
    lines = [
        (
            "| fault | promise | times | served again, s: p50, max | longest silence, s "
            "| booked within, s | shares acknowledged | lost |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, promise), taken in sorted(by_fault.items()):
        served = [step.served_s for step in taken if step.served_s is not None]
        late = len(taken) - len(served)
        seconds = f"{statistics.median(served):.1f}, {max(served):.1f}" if served else "-"
        seconds += f" ({late} too late)" if late else ""
        for what in sorted({what for step in taken for what in step.noted}):
            also = [step.noted[what] for step in taken if what in step.noted]
            seconds += f"; {what}: {statistics.median(also):.1f}, {max(also):.1f}"
        silence_s = max(step.silence_s for step in taken)
        lines.append(
            f"| {name} | {promise} | {len(taken)} | {seconds} | {silence_s:.1f} "
            f"| {max(step.held.booked_s for step in taken):.1f} "
            f"| {sum(step.acknowledged for step in taken):,} "
            f"| {max(step.held.lost for step in taken)} |"
        )
    return "\n".join(lines)
