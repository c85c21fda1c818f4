"""The crowd (crowd.c), a compiled client: logs in at once, watches new jobs, submits steadily."""

import contextlib
import json
import os
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from benchmarks.load.client import LoadError, Login, allow_files, build_program, word_of

# A command of the crowd has deadlines of its own, all below this.
END_S = 10.0


@dataclass(frozen=True, slots=True)
class Load:
    """How many connect, in how many rounds; so many of them submit, at a rate a second each."""

    connections: int
    rounds: int
    steady: int
    rate: float


def median_of(rounds: Sequence[object], name: str) -> float:
    """Return the median of one figure over all rounds."""
    return float(statistics.median(getattr(one, name) for one in rounds))


@dataclass(frozen=True, slots=True)
class SeenJob:
    """One new job: when it reached the first and the last connection, and how many in all.

    Times are of the monotonic clock, which all processes of a machine share.
    """

    first_ns: int
    last_ns: int
    received: int

    @property
    def spread_ms(self) -> float:
        """From the first line to the last."""
        return (self.last_ns - self.first_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Seen:
    """What the crowd saw during one command; `p99_ms` and its like are of the steady's answers.

    `left_out` are shares that were due while 64 of the same miner waited for an answer.
    """

    seconds: float
    server_cpu_s: float
    connections: int
    logins: int
    login_p50_ms: float
    login_p99_ms: float
    answered: int
    left_out: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: dict[str, int]
    jobs: list[SeenJob]


class Crowd:
    """Connections of one process; each method returns when the command is done."""

    def __init__(self, commands: IO[str], answers: IO[str], complaints: IO[str]) -> None:
        self._commands = commands
        self._answers = answers
        self._complaints = complaints

    def login(self, count: int, opening: int = 0) -> Seen:
        """Connect so many more, `opening` on their way at once (0: all), till each has a job."""
        return self._seen(f"login {count} {opening}")

    def steady(self, count: int, rate: float) -> None:
        """Have the first `count` submit `rate` shares a second each."""
        self._ask(f"steady {count} {rate}")

    def watch(self, seconds: float, jobs: int = 0) -> Seen:
        """Look on for so long, or until so many new jobs have reached every connection."""
        self.begin_watch(seconds, jobs)
        return self.end_watch()

    def begin_watch(self, seconds: float, jobs: int = 0) -> None:
        """Begin to look on, which it does on return; `end_watch` returns what was seen."""
        self._ask(f"watch {seconds} {jobs}")

    def end_watch(self) -> Seen:
        """Wait for the end of what `begin_watch` began."""
        return _seen(self._answer())

    def _seen(self, command: str) -> Seen:
        return _seen(self._ask(command))

    def _ask(self, command: str) -> dict[str, Any]:
        self._commands.write(command + "\n")
        self._commands.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise LoadError(self._complaints.read().strip() or "the crowd ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _seen(figures: dict[str, Any]) -> Seen:
    jobs = [SeenJob(**job) for job in figures.pop("jobs")]
    return Seen(**figures, jobs=jobs)


@contextlib.contextmanager
def running_crowd(
    port: int, server_pids: int | Sequence[int], connections_max: int, login: Login | None = None
) -> Iterator[Crowd]:
    """Run a crowd against a port of this machine; without a login the server is a bare one.

    `server_pids` are those whose CPU seconds count.
    """
    program = build_program("crowd")
    allow_files(connections_max)
    command = [str(program), str(port), word_of(server_pids)]
    environment = dict(os.environ)
    if login is not None:
        command.append(login.user)
        environment["KENCH_LOAD_PASSWORD"] = login.password
    process = subprocess.Popen(
        command,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("the pipes were asked for")
        try:
            yield Crowd(process.stdin, process.stdout, process.stderr)
        except BrokenPipeError:
            raise LoadError(process.stderr.read().strip() or "the crowd ended") from None
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
