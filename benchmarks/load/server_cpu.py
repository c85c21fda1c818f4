"""CPU that a PostgreSQL server has taken, by what Linux counts of its processes."""

import os
from pathlib import Path

import sqlalchemy as sa

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ServerCpu:
    """The server that an engine is connected to, on this machine."""

    def __init__(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            backend = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        self._postmaster = int(_stat(backend)[1])

    def seconds(self) -> float:
        """Return CPU seconds of its processes, those of now and those that ended."""
        ticks = sum(int(number) for number in _stat(self._postmaster)[11:15])
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = _stat(int(entry.name))
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(stat[1]) == self._postmaster:
                    ticks += int(stat[11]) + int(stat[12])
        return ticks / TICKS_PER_S


def process_cpu_s(pid: int) -> float:
    """Return CPU seconds that a process has had, all threads."""
    return sum(int(number) for number in _stat(pid)[11:13]) / TICKS_PER_S


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
