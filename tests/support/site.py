"""A whole machine as people run it: `kench up` with its real parts, on free ports."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import await_that

WAIT_S = 30.0
ANY_PORTS = ["--stratum-port", "0", "--metrics-port", "0", "--cabinet-port", "0"]
CABINET = "kench: the cabinet is at "
BESIDE = re.compile(
    rf"kench: [\d.]+ \w?H/s, |{CABINET}|kench: (?:enter the cabinet|officers) with "
)
KENCH = [sys.executable, str(Path(sys.executable).parent / "kench")]


class RunningUp:
    """A `kench up` of the data folder `data`, with what it prints going to a file."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.data = data
        self._said = data.parent / f"{data.name}.said"
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(
                [*KENCH, "up", "--data", str(data), *ANY_PORTS, *flags],
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def words(self) -> list[str]:
        """All its lines."""
        return self._said.read_text().splitlines()

    @property
    def said(self) -> list[str]:
        """Its lines, but figures each half minute, and how to enter the cabinet."""
        return [line for line in self.words if not BESIDE.match(line)]

    @property
    def record(self) -> dict[str, Any]:
        """Where its parts answer."""
        record: dict[str, Any] = json.loads((self.data / "run" / "up.json").read_text())
        return record

    def await_ready(self, times: int = 1) -> None:
        """Wait until miners can log in."""
        await_that(
            lambda: self.said.count("kench: ready") >= times or self.process.poll() is not None
        )
        assert self.process.poll() is None, self.said

    def await_cabinet(self) -> str:
        """Wait until the cabinet serves; return its address."""
        await_that(lambda: any(line.startswith(CABINET) for line in self.words))
        shown = next(line for line in self.words if line.startswith(CABINET))
        return shown.removeprefix(CABINET)

    def parts(self) -> dict[str, psutil.Process]:
        """Its child processes by role, as their command lines say it."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                words = child.cmdline()
                # Between fork and exec a child still has the command line of `kench up`.
                if Path(words[1]).name == "kench" and words[2] != "up":
                    found[words[2]] = child
        return found

    def accepted(self) -> int:
        """Shares in the journal: fixed-size records behind a header in each segment."""
        segments = (self.data / "journal").glob("*/*.shares")
        return sum(max(0, segment.stat().st_size - 64) // 72 for segment in segments)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Tell it to end; return the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(WAIT_S)
        return time.monotonic() - began
