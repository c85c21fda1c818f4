"""Files that hold secrets: who may read them, where systemd puts them, how they are read.

A file with a secret in it is for its owner alone: mode 600 or less. A file of root's may also be
read by one group, by whom it was given to us: so systemd hands credentials over, and so a file in
/etc is given to a service's account. PostgreSQL and OpenSSH ask the same of their keys.
"""

import os
import stat
from pathlib import Path

from kench.pool.errors import KenchError

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Set by systemd: the folder of what `LoadCredential=` and `SetCredentialEncrypted=` name."""
CREDENTIALS_PREFIX = "%d"
"""Stands for that folder in a path, as in a unit file."""
SECRET_BYTES_MAX = 64 * 1024
_OTHERS = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


class SecretFileError(KenchError):
    """A file with a secret in it is not there, not private, or not what it should be."""


def read_private(path: Path) -> bytes:
    """Return what a private file holds, 64 KiB at most; raises SecretFileError."""
    # A pipe would have us wait for whoever writes it.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            _check(path, os.fstat(descriptor))
            content = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise SecretFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > SECRET_BYTES_MAX:
        raise SecretFileError(f"{path} is too large for a secret")
    return content


def read_secret(path: Path) -> str:
    """Return the one text that a private file holds, without blanks around it.

    Raises SecretFileError, also where there is none.
    """
    try:
        text = read_private(path).decode().strip()
    except UnicodeDecodeError:
        raise SecretFileError(f"{path} is no text") from None
    if not text:
        raise SecretFileError(f"{path} is empty")
    return text


def check_private(path: Path) -> None:
    """Raise SecretFileError where others may read a file that something else will open."""
    try:
        _check(path, path.stat())
    except OSError as error:
        raise SecretFileError(f"{path} cannot be read: {error.strerror}") from error


def credential(name: str) -> Path | None:
    """Return the file of a credential that systemd gave this service, None where it gave none."""
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        return None
    path = Path(folder) / name
    return path if path.is_file() else None


def private_path(value: Path) -> Path:
    """Return the whole path of a file with a secret; `%d/NAME` is a credential of systemd's.

    Raises ValueError where there is no folder of credentials.
    """
    if value.parts[:1] != (CREDENTIALS_PREFIX,):
        return value.expanduser().resolve()
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        raise ValueError(
            f"{value} is a credential of systemd's, and it gave this process none: see "
            "LoadCredential= of the unit"
        )
    return Path(folder).joinpath(*value.parts[1:]).resolve()


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretFileError(f"{path} is no file")
    us = os.geteuid()
    if us != 0 and found.st_uid not in {0, us}:
        raise SecretFileError(
            f"{path} belongs to another account, who could change it: chown it to ours"
        )
    lent = found.st_uid == 0 and us != 0
    if found.st_mode & (_OTHERS if lent else _OTHERS | stat.S_IRGRP):
        raise SecretFileError(f"others may read {path}: chmod 600 it")
