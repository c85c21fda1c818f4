"""The log file of one part: bounded by moving it aside when it has grown."""

from pathlib import Path
from typing import BinaryIO, TextIO

LOG_BYTES_MAX = 8 * 1024 * 1024
LOGS_KEPT = 3
"""`stratum.log.1` is the newest of the moved ones."""


class LogFile:
    """Appends lines to `path`; never more than LOGS_KEPT + 1 files of LOG_BYTES_MAX bytes."""

    def __init__(self, path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
        self.path = path
        self._bytes_max = bytes_max
        self._file: BinaryIO = path.open("ab")

    def write(self, line: bytes) -> None:
        """Append a line, at once visible to readers."""
        if self._file.tell() + len(line) > self._bytes_max:
            self._rotate()
        self._file.write(line)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(LOGS_KEPT, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self.path
            if older.exists():
                older.replace(self._numbered(number))
        self._file = self.path.open("ab")

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def open_log(path: Path) -> TextIO:
    """Open a log of few lines, the own one of `kench up`; moved aside here if it has grown."""
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("a", buffering=1)
