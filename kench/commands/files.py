"""Files that people hand to commands, and get from them: read with a bound, never overwritten."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kench.pool.errors import KenchError


class HandedFileError(KenchError):
    """A file that cannot be read or written."""


def read_handed(path: Path, bytes_max: int) -> bytes:
    """Read a whole file of so many bytes at most; raises HandedFileError."""
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise HandedFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > bytes_max:
        raise HandedFileError(f"{path} has more than {bytes_max} bytes: it is no such file")
    return content


def write_new(path: Path, content: bytes) -> None:
    """Write a file where there is none; raises HandedFileError."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise HandedFileError(f"{path} is there already: name another file") from error
    except OSError as error:
        raise HandedFileError(f"{path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that is not there yet, for its owner alone; what breaks leaves none.

    Raises HandedFileError.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                path.unlink()
                raise
    except FileExistsError as error:
        raise HandedFileError(f"{path} is there already: name another file") from error
    except OSError as error:
        raise HandedFileError(f"{path} cannot be written: {error.strerror}") from error
