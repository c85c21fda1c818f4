"""A message of the stream: frames as on the standby's line, ended by where the journal then is.

Jobs and shares are the very bytes of the segment files, with their place: what comes twice is the
same thing twice. Jobs are cut at ends of lines and shares at ends of records.
"""

import enum
import struct
from collections.abc import Iterator
from typing import NamedTuple

from kench.native import crc32
from kench.pool.shipping.frames import HEAD, Kind, ShippingError, frame

_STAND = struct.Struct("<QQQQQQII")


class Word(enum.IntEnum):
    """What a message says of its writer."""

    GOES_ON = 0
    BEGAN = 1  # it writes from now on
    ENDED = 2  # in order: no record comes until another begins
    LOST = 3  # an officer's word, in its place: its machine does not come back


class Stand(NamedTuple):
    """How far a journal is with a message, and who says so."""

    life: int
    """A number that each writer draws when it begins."""
    first: int
    """First sequence of the segment that is written."""
    jobs: int
    """Bytes of its job archive."""
    shares: int
    """Bytes of its file of shares; 0 where not even its header is there."""
    records: int
    """Records in all segments."""
    watermark_us: int
    """Records to come are not before this."""
    last_crc32: int
    """Of the last record, 0 where there is none."""
    word: Word

    @property
    def place(self) -> tuple[int, int, int]:
        """How far it is, in an order."""
        return self.first, self.jobs, self.shares


class StreamMessageError(ShippingError):
    """A message of the stream cannot be understood."""


def message_of(frames: list[bytes], stand: Stand) -> bytes:
    """Return a message."""
    return b"".join((*frames, frame(Kind.STAND, _STAND.pack(*stand))))


def message_id(number: int, again: int, before: tuple[int, int, int], stand: Stand) -> str:
    """Return its name: the same content has the same, and no other content has it.

    `again` is another number where the cluster remembers the name of what it lost.
    """
    places = "-".join(f"{one:x}" for one in (again, *before, *stand.place, stand.watermark_us))
    return f"{number}-{stand.life:x}-{stand.word.value}-{places}"


def read_message(message: bytes) -> tuple[list[tuple[Kind, bytes]], Stand]:
    """Return the frames before the last, and the last; raises StreamMessageError."""
    frames = list(_frames(message))
    if not frames or frames[-1][0] is not Kind.STAND or len(frames[-1][1]) != _STAND.size:
        raise StreamMessageError("a message of the stream does not say where its journal is")
    *fields, word = _STAND.unpack(frames[-1][1])
    try:
        return frames[:-1], Stand._make((*fields, Word(word)))
    except ValueError as unknown:
        raise StreamMessageError(f"a message of the stream has the word {word}") from unknown


def _frames(message: bytes) -> Iterator[tuple[Kind, bytes]]:
    at = 0
    while at < len(message):
        if at + HEAD.size > len(message):
            raise StreamMessageError("a message of the stream is cut short")
        size, check, kind = HEAD.unpack_from(message, at)
        at += HEAD.size
        body = message[at : at + size]
        if len(body) != size or crc32(bytes((kind,)) + body) != check:
            raise StreamMessageError("a message of the stream was changed on its way")
        try:
            yield Kind(kind), body
        except ValueError as unknown:
            raise StreamMessageError(f"a message of the stream has a kind {kind}") from unknown
        at += size
