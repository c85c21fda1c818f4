"""Journals that are gathered here and written elsewhere: their time comes from there alone.

`remote` in a journal's folder: the state and the sequence, in the stream, of the newest message
that is in its files, 8 bytes each little-endian, and the CRC-32 of both in 8 bytes.
"""

import enum
import os
import struct
from pathlib import Path
from typing import NamedTuple

from kench.native import crc32

REMOTE_NAME = "remote"
LATE_NAME = "journal.late"
"""A folder beside `journal`: what came of journals that had been declared lost."""
_FIELDS = struct.Struct("<QQ")
_CHECK = struct.Struct("<Q")


class RemoteState(enum.IntEnum):
    """What is known of its writer."""

    WRITTEN = 0  # its time is what it told last
    ENDED = 1  # in order: its time is ours until another begins
    LOST = 2  # declared so: as ended, and what comes all the same is set aside


class RemoteMark(NamedTuple):
    """How far a gathered journal is in the stream."""

    state: RemoteState
    sequence: int


def is_remote(directory: Path) -> bool:
    """Whether a journal is written elsewhere."""
    return (directory / REMOTE_NAME).exists()


def read_remote(directory: Path) -> RemoteMark | None:
    """Return how far it is, None where it is written here.

    A file that a power cut tore tells that it is remote and nothing else.
    """
    try:
        raw = (directory / REMOTE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    fields, check = raw[: _FIELDS.size], raw[_FIELDS.size :]
    if len(check) != _CHECK.size or _CHECK.unpack(check)[0] != crc32(fields):
        return RemoteMark(RemoteState.WRITTEN, 0)
    state, sequence = _FIELDS.unpack(fields)
    return RemoteMark(RemoteState(state), sequence)


def write_remote(directory: Path, mark: RemoteMark, *, durably: bool) -> None:
    """Keep how far it is; `durably` where the state is another than before."""
    fields = _FIELDS.pack(*mark)
    fd = os.open(directory / REMOTE_NAME, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        os.pwrite(fd, fields + _CHECK.pack(crc32(fields)), 0)
        if durably:
            os.fsync(fd)
    finally:
        os.close(fd)
