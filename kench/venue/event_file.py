"""The venue's memory: one line of JSON for each event, on disk before anybody is told of it."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from kench.pool.durable import sync_directory
from kench.pool.errors import KenchError
from kench.venue.exchange import Event


class EventFileError(KenchError):
    """What the venue remembers cannot be read or written."""


class EventFile:
    """An append-only file that one venue at a time works with."""

    def __init__(self, path: Path) -> None:
        """Open or make it; raises EventFileError when another venue has it."""
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sync_directory(path.parent)
        except BlockingIOError as error:
            os.close(self._fd)
            raise EventFileError(f"another `kench venue` works with {path}: stop it") from error
        except OSError as error:
            raise EventFileError(
                f"cannot open {path}: {error.strerror}; make its folder writable"
            ) from error
        self._size = 0
        self._broken = False

    def read(self) -> Iterator[Event]:
        """Yield every event; a last line that was never finished, nobody was told of: it goes.

        Raises EventFileError.
        """
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    event: Event = json.loads(line)
                except ValueError as error:
                    raise EventFileError(
                        f"line {number} of {self._path} cannot be read: "
                        "put the file back from a copy, or start with an empty folder"
                    ) from error
                self._size += len(line)
                yield event
        os.ftruncate(self._fd, self._size)

    def append(self, event: Event) -> None:
        """Make one more event durable; raises EventFileError, and then for good.

        After a failed sync nobody knows what is on the disk; a restart reads it and does.
        """
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            if self._broken:
                raise OSError(0, "it failed before")
            self._broken = True
            written = os.pwrite(self._fd, line, self._size)
            if written != len(line):
                raise OSError(0, "no room")
            os.fdatasync(self._fd)
        except OSError as error:
            raise EventFileError(
                f"cannot write {self._path} ({error.strerror}): make room and restart `kench venue`"
            ) from error
        self._size += len(line)
        self._broken = False

    def close(self) -> None:
        """Let another have it."""
        os.close(self._fd)
