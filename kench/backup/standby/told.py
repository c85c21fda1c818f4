"""What the main machine said last of each journal: a small file beside the copy.

DATA/standby/<n>    records that are on the main machine's disk, when it was heard last, its mode
"""

import struct
from pathlib import Path
from typing import NamedTuple

from kench.native import crc32

_FIELDS = struct.Struct("<QQB")
_CHECK = struct.Struct("<I")


class Told(NamedTuple):
    """The last word of the main machine."""

    durable: int
    heard_us: int
    is_sync: bool


NOTHING_TOLD = Told(0, 0, is_sync=False)


def told_folder(data: Path) -> Path:
    """Return where these files are."""
    return data / "standby"


def read_told(data: Path, instance: int) -> Told:
    """Return what was said of a journal; nothing where there is no such file, or it is torn."""
    try:
        raw = (told_folder(data) / str(instance)).read_bytes()
    except FileNotFoundError:
        return NOTHING_TOLD
    fields, check = raw[: _FIELDS.size], raw[_FIELDS.size :]
    if len(check) != _CHECK.size or _CHECK.unpack(check)[0] != crc32(fields):
        return NOTHING_TOLD
    durable, heard_us, is_sync = _FIELDS.unpack(fields)
    return Told(durable, heard_us, bool(is_sync))


def packed(told: Told) -> bytes:
    """Return the file's content."""
    fields = _FIELDS.pack(told.durable, told.heard_us, told.is_sync)
    return fields + _CHECK.pack(crc32(fields))
