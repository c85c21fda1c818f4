"""What a front and a standby say to each other: kinds, frames, bounds.

A frame is 12 bytes of head and a body: length of the body, CRC-32 of kind and body, both 4 bytes
little-endian, one byte of kind, three of 0. The front speaks first. Jobs and shares are the very
bytes of the segment files, with the segment's first sequence and their place in it; nothing of them
is on the standby's disk before a COMMIT, and all is when that is answered by KEPT.
"""

import enum
import json
import struct
from typing import Any, NamedTuple

from kench.native import crc32
from kench.pool.errors import KenchError

SHIPPING_VERSION = 1
BODY_BYTES_MAX = 16 * 1024 * 1024
WORDS_BYTES_MAX = 64 * 1024
HEAD = struct.Struct("<IIB3x")
_PLACE = struct.Struct("<QQ")
_COMMIT = struct.Struct("<QQQQ")
_KEPT = struct.Struct("<QQ")


class Kind(enum.IntEnum):
    """What a frame holds."""

    # front -> standby
    HELLO = 1  # {version, instance, generation, mode}; instance null only asks who leads
    START = 2  # {first, jobs, shares, jobs_sha256, shares_sha256}: go on from there
    JOBS = 3  # place, then lines of a job archive
    SHARES = 4  # place, then records
    SEAL = 5  # place, then the text of the digest of a segment that is closed
    OPEN = 6  # place, then the 64 bytes that a new segment begins with
    COMMIT = 7  # number, records in all, watermark, records that the front has on disk itself
    # front -> stream (kench/pool/stream)
    STAND = 8  # ends a message: where the journal is with it
    # standby -> front
    STATE = 32  # {generation, segment: {first, jobs, shares} or null}
    KEPT = 33  # number of the commit, records in all: on disk there
    REPLACED = 34  # {generation}: another machine leads now
    REFUSED = 35  # {why}


# Those that a standby says words in: longer ones are nobody's of ours.
WORDS = frozenset({Kind.HELLO, Kind.START, Kind.STATE, Kind.REPLACED, Kind.REFUSED})


class ShippingError(KenchError):
    """The other end cannot be understood, or refuses."""


class Commit(NamedTuple):
    """All before it is to be on disk."""

    number: int
    records: int
    watermark_us: int
    durable: int


class Kept(NamedTuple):
    """So far the standby has it on disk."""

    number: int
    records: int


def frame(kind: Kind, body: bytes) -> bytes:
    """Return a frame."""
    return HEAD.pack(len(body), crc32(bytes((kind,)) + body), kind) + body


def words_frame(kind: Kind, content: dict[str, Any]) -> bytes:
    """Return a frame of words."""
    return frame(kind, json.dumps(content).encode())


def placed_frame(kind: Kind, first: int, offset: int, content: bytes) -> bytes:
    """Return a frame with bytes of a segment, and where they stand."""
    return frame(kind, _PLACE.pack(first, offset) + content)


def commit_frame(commit: Commit) -> bytes:
    """Return a COMMIT."""
    return frame(Kind.COMMIT, _COMMIT.pack(*commit))


def kept_frame(kept: Kept) -> bytes:
    """Return a KEPT."""
    return frame(Kind.KEPT, _KEPT.pack(*kept))


def read_words(body: bytes) -> dict[str, Any]:
    """Return what a frame of words says; raises ShippingError."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as broken:
        raise ShippingError(
            "the other end of the standby's line speaks another language"
        ) from broken
    if not isinstance(content, dict):
        raise ShippingError("the other end of the standby's line speaks another language")
    return content


def number_in(words: dict[str, Any], name: str) -> int:
    """Return a number of a frame of words, of 63 bits; raises ShippingError."""
    number = words.get(name)
    if type(number) is not int or not 0 <= number < 1 << 63:
        raise ShippingError(f"the other end of the standby's line has no number as its {name}")
    return number


def read_place(body: bytes) -> tuple[int, int, bytes]:
    """Return first sequence, offset and bytes; raises ShippingError."""
    if len(body) < _PLACE.size:
        raise ShippingError("a frame of the standby's line is too short")
    first, offset = _PLACE.unpack_from(body)
    return first, offset, body[_PLACE.size :]


def read_commit(body: bytes) -> Commit:
    """Return a COMMIT's fields; raises ShippingError."""
    if len(body) != _COMMIT.size:
        raise ShippingError("a frame of the standby's line has another size")
    return Commit(*_COMMIT.unpack(body))


def read_kept(body: bytes) -> Kept:
    """Return a KEPT's fields; raises ShippingError."""
    if len(body) != _KEPT.size:
        raise ShippingError("a frame of the standby's line has another size")
    return Kept(*_KEPT.unpack(body))
