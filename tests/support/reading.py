"""A process that may read journals and write none, as settlement is under the units."""

import errno
import os

import pytest


def may_not_write(patch: pytest.MonkeyPatch) -> None:
    """Refuse to open marks for writing, as the kernel does where they are another account's."""
    open_file = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return open_file(path, flags, mode)

    patch.setattr("kench.pool.journal.mark.os.open", refuse)
