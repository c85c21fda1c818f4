"""The front processes of a job maker: started, watched, started again, ended. Loop only."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from kench.pool.backoff import PartBackoff
from kench.pool.clock import Clock
from kench.pool.settings import Settings
from kench.stratum.place import Place

# A front is killed that has not ended so long after it was told to.
STOP_S = 10.0
# A front that ended so often before any served will not come to serve.
ENDS_BEFORE_SERVING_MAX = 3

log = structlog.get_logger("stratum")


class Process(Protocol):
    """What is known of a front's process; `subprocess.Popen` is one."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit status once it ended."""
        ...

    def send_signal(self, sig: int) -> None:
        """Signal it, if it runs."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class AdoptedProcess:
    """A child that the program started before it replaced itself by exec."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status once it ended; -1 where that is nobody's to know any more."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._status = -1
            else:
                self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def send_signal(self, sig: int) -> None:
        """Signal it, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Command(Protocol):
    """How the process of a front is started."""

    def __call__(self, number: int) -> Sequence[str]:
        """Return the argv of front `number`."""
        ...


@dataclass
class _Kept:
    number: int
    process: Process | None = None
    started_s: float = 0.0
    start_due_s: float | None = 0.0
    ends: int = 0
    backoff: PartBackoff = field(default_factory=PartBackoff)


class Fronts:
    """Keeps one process for each number alive; `tick` looks at all, several times a second."""

    def __init__(
        self,
        numbers: Sequence[int],
        command: Command,
        environment: Mapping[str, str],
        clock: Clock,
        adopted: Mapping[int, int] | None = None,
    ) -> None:
        """Keep the fronts of these numbers; `adopted` are processes that run already."""
        self._command = command
        self._environment = dict(environment)
        self._clock = clock
        self._kept = [_Kept(number) for number in numbers]
        for kept in self._kept:
            if adopted and kept.number in adopted:
                kept.process = AdoptedProcess(adopted[kept.number])
                kept.start_due_s = None
        self._draining = False
        self._stop_due_s: float | None = None
        self.restarts = 0
        self._ended: list[int] = []

    @property
    def count(self) -> int:
        """How many fronts there are to be."""
        return len(self._kept)

    @property
    def numbers(self) -> list[int]:
        """The fronts' numbers."""
        return [kept.number for kept in self._kept]

    def drain(self) -> None:
        """Have every front let go of its miners and end; none is started again."""
        self._draining = True
        for kept in self._kept:
            kept.start_due_s = None
            if kept.process is not None:
                kept.process.send_signal(signal.SIGUSR1)

    @property
    def pids(self) -> dict[int, int]:
        """Process ids by front number, of those that run."""
        return {kept.number: kept.process.pid for kept in self._kept if kept.process is not None}

    def take_ended(self) -> list[int]:
        """Return the numbers of the fronts whose processes ended since last asked."""
        ended, self._ended = self._ended, []
        return ended

    @property
    def hopeless(self) -> bool:
        """Whether every front ended so often that none will ever serve."""
        return all(kept.ends >= ENDS_BEFORE_SERVING_MAX for kept in self._kept)

    def tick(self) -> None:
        """See what ended, start what is due; while stopping, kill what does not end."""
        now = self._clock.monotonic()
        for kept in self._kept:
            if kept.process is not None:
                status = kept.process.poll()
                if status is not None:
                    self._see_end(kept, status, now)
            if (
                self._stop_due_s is None
                and kept.start_due_s is not None
                and now >= kept.start_due_s
            ):
                self._start(kept, now)
        if self._stop_due_s is not None and now > self._stop_due_s:
            for kept in self._kept:
                if kept.process is not None:
                    log.error("front does not stop; killed", process=kept.number)
                    kept.process.kill()

    def stop(self) -> None:
        """Tell every front to end; `tick` until `ended`."""
        if self._stop_due_s is None:
            self._stop_due_s = self._clock.monotonic() + STOP_S
            for kept in self._kept:
                if kept.process is not None:
                    kept.process.send_signal(signal.SIGTERM)

    @property
    def ended(self) -> bool:
        """Whether none runs."""
        return all(kept.process is None for kept in self._kept)

    def _start(self, kept: _Kept, now: float) -> None:
        kept.start_due_s = None
        kept.started_s = now
        kept.process = subprocess.Popen(  # noqa: S603 - our own command
            self._command(kept.number),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        log.info("front started", process=kept.number, pid=kept.process.pid)

    def _see_end(self, kept: _Kept, status: int, now: float) -> None:
        pid = kept.process.pid if kept.process else 0
        kept.process = None
        self._ended.append(kept.number)
        if self._stop_due_s is not None or self._draining:
            return
        kept.ends += 1
        self.restarts += 1
        delay_s = kept.backoff.delay_after_end(kept.started_s, now)
        kept.start_due_s = now + delay_s
        log.error(
            "front ended",
            process=kept.number,
            pid=pid,
            status=status,
            next_start_s=delay_s,
            looping=kept.backoff.looping,
        )


def front_command(place: Place, number: int) -> list[str]:
    """Return the argv of a front's process."""
    ports = [str(port) for port in place.ports]
    own = ["--number", str(number), "--maker-pid", str(place.maker_pid)]
    own += ["--feed", str(place.feed_path), "--ports", *ports]
    return [sys.executable, "-m", "kench.stratum.serve", *own]


def front_variables(settings: Settings) -> dict[str, str]:
    """Return the environment of fronts: ours, and the settings that flags may have changed."""
    return {
        **os.environ,
        "KENCH_DATA": str(settings.data_dir),
        "KENCH_STRATUM_PORT": str(settings.stratum_port),
        "KENCH_METRICS_PORT": str(settings.metrics_port),
        "KENCH_STRATUM_PROCESSES": str(settings.stratum_processes),
    }
