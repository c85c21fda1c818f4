"""Files that people hand to commands, and get from them: read with a bound, never overwritten."""

from pathlib import Path

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
