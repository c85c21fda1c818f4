"""Processes as greenlets: one runs at a time, and who is next is the story's choice.

A process runs its own loop, as its root does. Where it sleeps, and now and then before a call to
the database or to a server, it hands over to the story. Killed, it ends at that point: its
connections are closed, and nothing that it catches or cleans up on the way out has any effect.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from greenlet import greenlet

from tests.simulation.fates import Died, Fates, Fault


class Closable(Protocol):
    """What a killed process leaves to the system."""

    def lose(self) -> None: ...


@dataclass(eq=False)
class Process:
    """One process, or one of its threads: `family` are all of them."""

    name: str
    body: greenlet
    family: list["Process"] = field(default_factory=list)
    due_s: float = 0.0
    is_killed: bool = False
    error: BaseException | None = None
    held: list[Closable] = field(default_factory=list)
    is_idle: Callable[[], bool] = lambda: False
    """Whether there is nothing to wake it for."""
    weight: float = 8.0
    """How often it is woken, against all else that could happen."""

    @property
    def is_alive(self) -> bool:
        return not self.is_killed and not self.body.dead


class Scheduler:
    """Runs processes, and whatever is on its way, by one clock."""

    def __init__(self, fates: Fates) -> None:
        self.fates = fates
        self.clock = fates.clock
        self.processes: list[Process] = []
        self.current: Process | None = None
        self._coming: list[tuple[float, int, Callable[[], object]]] = []
        self._story = greenlet.getcurrent()

    def start(self, name: str, run: Callable[[], object]) -> Process:
        """Add a process that begins with its first turn; a thread where a process calls this."""
        process = Process(name, greenlet(lambda: self._live(process, run), self._story))
        process.due_s = self.clock.monotonic()
        family = self.current.family if self.current else []
        family.append(process)
        process.family = family
        self.processes.append(process)
        return process

    def resume(self, process: Process) -> None:
        """Let a process run until it sleeps, is paused, or ends."""
        self.fates.say("run", process.name)
        self.current = process
        process.body.switch()
        self.current = None
        self._sweep()

    def sleep(self, seconds: float) -> None:
        """Let the process that runs sleep."""
        process = self._own()
        process.due_s = self.clock.monotonic() + max(0.0, seconds)
        self._hand_over(process)

    def before_call(self) -> None:
        """Let others run first, where the story wants it so."""
        process = self.current
        if process is None:
            return
        if process.is_killed:
            raise Died
        if self.fates.is_paused():
            self.fates.say("pause", process.name)
            process.due_s = self.clock.monotonic()
            self._hand_over(process)

    def fault(
        self, kinds: tuple[Fault, ...], weight: int = 1, *, called: str = "database"
    ) -> Fault | None:
        """Return what goes wrong with a call of the process that runs; it may die of it."""
        if self.current is None:
            return None
        fault = self.fates.fault(f"{self.current.name} {called}", kinds, weight)
        if fault is Fault.DIES_BEFORE:
            self.die()
        return fault

    def die(self) -> None:
        """End the process that runs, with all its threads."""
        process = self._own()
        self.kill(process)
        raise Died

    def kill(self, process: Process) -> None:
        """End a process with all its threads, as kill -9 does."""
        self.fates.say("killed", process.name)
        for one in process.family:
            one.is_killed = True
            for held in one.held:
                held.lose()
            one.held.clear()
        before = self.current
        for one in process.family:
            if one is not before and one.body and not one.body.dead:
                self.current = one
                one.body.throw(Died)
        self.current = before
        self._sweep()

    def advance(self, seconds: float) -> None:
        """Let time pass; what is on its way arrives in its turn."""
        end_s = self.clock.monotonic() + seconds
        while self._coming and self._coming[0][0] <= end_s:
            at_s, _, arrive = heappop(self._coming)
            self.clock.advance(max(0.0, at_s - self.clock.monotonic()))
            self.fates.say("arrives late")
            arrive()
        self.clock.advance(max(0.0, end_s - self.clock.monotonic()))

    def later(self, seconds: float, arrive: Callable[[], object]) -> None:
        """Have something arrive after so long."""
        at_s = self.clock.monotonic() + seconds
        heappush(self._coming, (at_s, len(self.fates.trace), arrive))

    def end(self) -> None:
        """Kill whatever runs still."""
        while self.processes:
            self.kill(self.processes[0])

    def _live(self, process: Process, run: Callable[[], object]) -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - a killed process says nothing any more
            if not process.is_killed:
                process.error = error
        for one in process.held:
            one.lose()
        process.held.clear()

    def _hand_over(self, process: Process) -> None:
        self._story.switch()
        self.current = process
        if process.is_killed:
            raise Died

    def _own(self) -> Process:
        if self.current is None:
            raise AssertionError("only a process sleeps or dies")
        return self.current

    def _sweep(self) -> None:
        for process in [one for one in self.processes if not one.is_alive]:
            self.processes.remove(process)


class Stop(threading.Event):
    """The event that a root waits with: here it hands over to the story."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    def wait(self, timeout: float | None = None) -> bool:
        self._scheduler.sleep(timeout or 0.0)
        return self.is_set()
