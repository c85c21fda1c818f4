"""One part of the pool as a process: its command, its log, its words, and how it ends.

A part runs in a session of its own, so that Ctrl-C at the terminal reaches `kench up` alone, and
is told the process id of `kench up` so that it ends when that dies (`kench.cli`).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from kench.up.logfile import LogFile

LINE_BYTES_MAX = 65_536
WORDS_KEPT = 20
READER_JOIN_S = 2.0
STREAM_ENCODING = "utf-8"


def command_line(role: str, arguments: Sequence[str]) -> list[str]:
    """Return the argv that runs a role, by the installed `kench` so that `ps` tells what it is."""
    script = Path(sys.executable).parent / "kench"
    program = [str(script)] if script.is_file() else ["-m", "kench"]
    return [sys.executable, *program, role, *arguments]


class Part:
    """A role run as a child process. Start it from the main thread only.

    (The kernel tells a child of its parent's death when the *thread* that started it ends.)
    """

    def __init__(
        self, role: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.role = role
        self.ready = threading.Event()
        """Set once the part has printed `kench <role>: ready`."""
        self._argv = command_line(role, arguments)
        self._environment = {**environment, "KENCH_UP_PID": str(os.getpid())}
        self._log_path = log
        self._words: deque[str] = deque(maxlen=WORDS_KEPT)
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: subprocess.Popen[bytes] | None = None
        """The process that was asked to end."""
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def log_path(self) -> Path:
        """Where everything that it prints goes."""
        return self._log_path

    def start(self) -> None:
        """Start the process. Raises OSError."""
        self.ready.clear()
        log = LogFile(self._log_path)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            log.close()
            raise
        stream = self._process.stdout
        self._reader = threading.Thread(
            target=self._read, args=(stream, log), name=f"log-{self.role}", daemon=True
        )
        self._reader.start()

    def poll(self) -> int | None:
        """Return the exit status once it has ended (negative: the signal), else None."""
        return self._process.poll() if self._process else None

    def ask_to_end(self) -> None:
        """Ask it to end, once, and do not wait."""
        if self._process is not None and self._asked is not self._process:
            self._asked = self._process
            self._process.terminate()

    def stop(self, timeout_s: float) -> bool:
        """Ask it to end, wait, then kill it; return whether it ended by itself in time."""
        if self._process is None:
            return True
        in_time = True
        if self._process.poll() is None:
            self.ask_to_end()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                in_time = False
                # The whole group: it has a session of its own, so nobody else is in there.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self._reader is not None:
            self._reader.join(READER_JOIN_S)
        return in_time

    def last_words(self) -> str:
        """Return the line that most likely says why it ended; empty when it said nothing."""
        if self._reader is not None:
            self._reader.join(READER_JOIN_S)
        words = list(self._words)
        told = [line for line in words if line.startswith(f"kench {self.role}: ")]
        last = told[-1] if told else next(reversed(words), "")
        return _plain(last.removeprefix(f"kench {self.role}: "))

    def _read(self, stream: IO[bytes], log: LogFile) -> None:
        """Carry its lines to the log until it closes them."""
        ready_line = f"kench {self.role}: ready".encode()
        with contextlib.closing(log), stream:
            while line := stream.readline(LINE_BYTES_MAX):
                log.write(line)
                if line.strip() == ready_line:
                    self.ready.set()
                elif line.strip():
                    self._words.append(line.decode(STREAM_ENCODING, "replace").strip())


def _plain(line: str) -> str:
    """Return the event of a JSON log line, or the line itself."""
    try:
        return str(json.loads(line)["event"])
    except (ValueError, KeyError, TypeError):
        return line
