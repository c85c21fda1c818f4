"""Files of batches for the bank, in DATA/bank/out: for the owner alone, never changed."""

import hashlib
import os
from pathlib import Path

import sqlalchemy as sa

from kench.payouts.bank import tables
from kench.pool.durable import sync_directory
from kench.pool.errors import KenchError

FILE_MODE, FOLDER_MODE = 0o600, 0o700


class OutboxError(KenchError):
    """A file for the bank cannot be written, or is not what was committed."""


def write_batches(connection: sa.Connection, folder: Path) -> list[Path]:
    """Write the file of each batch that has none yet; return those written.

    Raises OutboxError where a file differs from its batch: somebody changed what is to be paid.
    """
    columns = tables.payout_batches.c
    written = []
    for row in connection.execute(
        sa.select(columns.message_id, columns.sha256).order_by(columns.batch)
    ):
        path = folder / f"{row.message_id}.xml"
        if path.exists():
            if hashlib.sha256(path.read_bytes()).digest() != bytes(row.sha256):
                raise OutboxError(
                    f"{path} is not the file of its batch: do not send it, move it away and run "
                    "`kench payout send`, which writes the right one"
                )
            continue
        document = connection.scalar(
            sa.select(columns.document).where(columns.message_id == row.message_id)
        )
        _write(path, bytes(document or b""))
        written.append(path)
    return written


def _write(path: Path, content: bytes) -> None:
    """Put the whole file in its place at once; nobody else may read who is paid what."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise OutboxError(f"cannot write {path} ({error.strerror}): mend its folder") from error
