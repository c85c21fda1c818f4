"""Programs on hosts, each started again when it ends, as its systemd unit would have it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.hosts import Host

ROOT = Path(__file__).parents[2]
RESTART_S = 1.0
"""What deploy's units say (RestartSec)."""
READY_S, STOP_S = 240.0, 15.0
STARTS_MAX = 8
"""What ends so often before it serves never will."""


class ServiceError(Exception):
    """A program did not come to serve."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what a program is started with: nothing of the caller's own settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KENCH_")}
    # Two cores carry every machine of the stand: numpy's own threads would only wait.
    return {**own, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **settings}


def kench(*words: str) -> list[str]:
    """Return the command line of `kench`."""
    return [sys.executable, "-m", "kench", *words]


class Service:
    """A program that says `ready` when it serves."""

    def __init__(  # noqa: PLR0917 - where, what, and with which settings
        self,
        host: Host,
        name: str,
        words: Sequence[str],
        settings: Mapping[str, str],
        log: Path,
        ready: str = "ready",
    ) -> None:
        self.host, self.name = host, name
        self._words, self._settings, self._log = list(words), dict(settings), log
        self._said_when_ready = ready
        self._ready, self._stopped = threading.Event(), threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        """Its process id, of the one that runs or ran last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def start(self, *, wait: bool = True) -> "Service":
        """Start it and keep it alive; with `wait`, until it serves. Raises ServiceError."""
        self._stopped.clear()
        self._ready.clear()
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)
        self._thread.start()
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Wait until it serves. Raises ServiceError."""
        began, starts = time.monotonic(), self.starts
        while not self._ready.wait(0.1):
            tries = self.starts - starts
            if time.monotonic() - began > READY_S or tries > STARTS_MAX:
                raise ServiceError(
                    f"{self.name} on {self.host.name} does not serve:\n{self.words()}"
                )

    @property
    def serves(self) -> bool:
        """Whether it has said so, and has not ended since."""
        return self._ready.is_set()

    def words(self) -> str:
        """Return the last that it said."""
        try:
            return self._log.read_text(errors="replace")[-3000:]
        except FileNotFoundError:
            return "(nothing)"

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Have it end, and be started again."""
        self._ready.clear()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def leave(self) -> None:
        """Start it no more; who kills it does so now."""
        self._stopped.set()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it for good, by force where it takes long."""
        self.leave()
        if self._process is None or self._thread is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._thread.join(STOP_S)

    def _keep_alive(self) -> None:
        while not self._stopped.is_set():
            with self._log.open("a") as log:
                process = self._process = self.host.spawn(
                    self._words,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment(self._settings),
                )
            self.starts += 1
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    if line.rstrip().endswith(self._said_when_ready):
                        self._ready.set()
                    with self._log.open("a") as log:
                        log.write(line)
            process.wait()
            self._ready.clear()
            self._stopped.wait(RESTART_S)


def run(host: Host, words: Sequence[str], settings: Mapping[str, str], limit_s: float) -> str:
    """Run a short command on a host; return what it says. Raises ServiceError."""
    began = time.monotonic()
    process = host.spawn(
        list(words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(settings),
    )
    try:
        said, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        said += f"\n(ended by force after {time.monotonic() - began:.0f} s)"
    if process.returncode:
        raise ServiceError(f"{' '.join(words[2:])}: {said[-3000:]}")
    return said
