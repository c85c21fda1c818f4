"""Stories by the thousand, side by side, each process with a database of its own."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation.ground import Ground
from tests.simulation.mutations import MUTATIONS
from tests.simulation.running import be_quiet, database_of, server
from tests.simulation.story import Told, tell

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

STORIES_BETWEEN_COLLECTIONS = 25
TELL_S = 1.0


@dataclass
class Tally:
    """What stories came to."""

    stories: int = 0
    steps: int = 0
    faults: int = 0
    ended: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    broken: list[Told] = field(default_factory=list)

    def take(self, told: Told) -> None:
        """Count a story."""
        self.stories += 1
        self.steps += told.steps
        self.faults += told.faults
        self.ended += told.is_ended
        self.reached.update(name for name, count in told.reached.items() if count)
        if told.broken:
            self.broken.append(told)

    def add(self, other: "Tally") -> None:
        """Take in what another process counted."""
        self.stories += other.stories
        self.steps += other.steps
        self.faults += other.faults
        self.ended += other.ended
        self.reached += other.reached
        self.broken += other.broken


@dataclass(frozen=True)
class Plan:
    """Which stories a process tells: from a seed on, every so manyth, for so long."""

    url: str
    folder: Path
    first: int
    stride: int
    seconds: float
    stories_max: int
    mutation: str = ""


def told_stories(plan: Plan) -> Iterator[Told]:
    """Tell the stories of a plan in this process."""
    with ExitStack() as stack:
        if plan.mutation:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            MUTATIONS[plan.mutation](patch)
        ground = Ground(plan.url, plan.folder)
        stack.callback(ground.close)
        gc.freeze()
        end_s = time.monotonic() + plan.seconds
        for number in range(plan.stories_max):
            if time.monotonic() >= end_s:
                return
            yield tell(ground, plan.first + number * plan.stride)
            if number % STORIES_BETWEEN_COLLECTIONS == 0:
                gc.collect()


def _run(plan: Plan, tallies: "Queue[Tally | None]") -> None:
    be_quiet()
    tally, told_s = Tally(), time.monotonic()
    try:
        for told in told_stories(plan):
            tally.take(told)
            if told.broken or time.monotonic() - told_s > TELL_S:
                tallies.put(tally)
                tally, told_s = Tally(), time.monotonic()
    finally:
        tallies.put(tally)
        tallies.put(None)


def campaign(  # noqa: PLR0917 - how many, how long, from where
    seconds: float, first: int, processes: int, stories_max: int, mutation: str,
    progress: Callable[[Tally], object],
) -> Tally:  # fmt: skip
    """Tell stories until the time is over or one breaks; return what they came to."""
    context = get_context("spawn")
    whole = Tally()
    with server() as (url, folder):
        tallies: Queue[Tally | None] = context.Queue()
        workers = [
            context.Process(
                target=_run,
                args=(
                    Plan(database_of(url, f"stories_{number}"), folder / f"story_{number}",
                         first + number, processes, seconds, stories_max, mutation),
                    tallies,
                ),
            )
            for number in range(processes)
        ]  # fmt: skip
        for worker in workers:
            worker.start()
        left = processes
        while left:
            tally = tallies.get()
            if tally is None:
                left -= 1
                continue
            whole.add(tally)
            progress(whole)
            if whole.broken:
                break
        for worker in workers:
            worker.terminate()
            worker.join()
    return whole
