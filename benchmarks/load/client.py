"""The compiled load client (client.c): built when its source is newer, run for one cell."""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent
BUILD = Path(__file__).parents[2] / "build" / "benchmarks"
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
# Beyond its own phases the client may take this long: login, drain and their reserves.
SPARE_S = 90.0
SPARE_FILES = 256


class LoadError(Exception):
    """The load could not be made: no compiler, too few open files, or the server left."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One load: so many connections, each with so many submits in flight."""

    connections: int
    in_flight: int

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """Read `1000x4`; raises ValueError."""
        connections, _, in_flight = text.partition("x")
        cell = cls(int(connections), int(in_flight))
        if cell.connections < 1 or cell.in_flight < 1:
            raise ValueError(f"a cell is CONNECTIONSxIN_FLIGHT, both positive, not {text}")
        return cell

    def __str__(self) -> str:
        return f"{self.connections}x{self.in_flight}"


@dataclass(frozen=True, slots=True)
class Login:
    """What every connection logs in with."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of load before the measured window, and of the window."""

    warm_up_s: float
    measure_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """What the client saw; `_total` counts the whole run, the rest the measured window.

    `refused_total` is by Stratum error code. CPU seconds are of the window, all threads.
    """

    connections: int
    in_flight: int
    login_s: float
    seconds: float
    accepted: int
    accepted_total: int
    refused_total: dict[str, int]
    unanswered: int
    jobs: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_cpu_s: float
    client_cpu_s: float

    @property
    def accepted_per_s(self) -> float:
        """Shares answered `true` in a second."""
        return self.accepted / self.seconds

    @property
    def accepted_per_cpu_s(self) -> float:
        """Accepted shares for each second of the server's CPU time (a tick of it at the least)."""
        return self.accepted / max(self.server_cpu_s, 0.01)

    @property
    def cpu_s_per_million(self) -> float:
        """CPU seconds that the server took for a million accepted shares; 0 without any."""
        return self.server_cpu_s / self.accepted * 1e6 if self.accepted else 0.0


def word_of(pids: int | Sequence[int]) -> str:
    """Return process ids as the load clients take them."""
    return ",".join(map(str, [pids] if isinstance(pids, int) else pids))


def build_program(name: str, directory: Path = BUILD) -> Path:
    """Compile one of the C programs unless that is done; return it. Raises LoadError."""
    program = directory / name
    sources = [SOURCES / f"{name}.c", *sorted(SOURCES.glob("*.h"))]
    newest = max(source.stat().st_mtime for source in sources)
    if program.exists() and program.stat().st_mtime > newest:
        return program
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise LoadError("no C compiler: apt-get install gcc")
    directory.mkdir(parents=True, exist_ok=True)
    # Under another name first: an interrupted build leaves no half a program behind.
    partial = directory / f"{name}.{os.getpid()}"
    done = subprocess.run(
        [compiler, *FLAGS, "-o", str(partial), str(sources[0])],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LoadError(f"{name}.c does not compile: {done.stderr.strip()}")
    partial.replace(program)
    return program


def run_client(
    cell: Cell,
    port: int,
    server_pids: int | Sequence[int],
    phases: Phases,
    login: Login | None = None,
) -> Result:
    """Load the server on a port of this machine; without a login it is the bare one.

    `server_pids` are those whose CPU seconds count.

    Raises LoadError where the client cannot begin or a connection breaks.
    """
    program = build_program("client")
    allow_files(cell.connections)
    numbers = [port, cell.connections, cell.in_flight, phases.warm_up_s, phases.measure_s]
    command = [str(program), *map(str, numbers), word_of(server_pids)]
    environment = dict(os.environ)
    if login is not None:
        command.append(login.user)
        environment["KENCH_LOAD_PASSWORD"] = login.password
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=phases.warm_up_s + phases.measure_s + SPARE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise LoadError(f"the load client of {cell} did not end in {late.timeout:.0f} s") from late
    if done.returncode:
        raise LoadError(f"{cell}: {done.stderr.strip() or f'status {done.returncode}'}")
    return Result(**json.loads(done.stdout))


def allow_files(connections: int) -> None:
    """Raise the limit of open files for so many connections; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise LoadError(f"{connections} connections need `ulimit -Hn` of {wanted}; it is {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def allow_most_files() -> None:
    """Raise the limit of open files as far as it goes, for servers started from here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
