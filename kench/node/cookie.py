"""The cookie: credentials of one run, in a file that only the owner can read."""

import secrets
from pathlib import Path

from kench.node.kernel import ChainFolderError

USER = "__cookie__"
NAME = ".cookie"


def write_cookie(folder: Path) -> str:
    """Write new credentials to `folder/.cookie` in one step and return them, `user:password`.

    Raises ChainFolderError.
    """
    credentials = f"{USER}:{secrets.token_hex(32)}"
    partial = folder / f"{NAME}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600, exist_ok=False)
        partial.write_text(credentials)
        partial.replace(folder / NAME)
    except OSError as error:
        raise ChainFolderError(
            f"cannot write in {folder} ({error.strerror}): --data (KENCH_DATA) must name a folder "
            "that can be written"
        ) from error
    return credentials


def remove_cookie(folder: Path) -> None:
    """Remove the cookie at a stop."""
    (folder / NAME).unlink(missing_ok=True)
