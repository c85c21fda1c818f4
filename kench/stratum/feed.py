"""What the job maker and its fronts say to each other over a Unix socket: kinds, frames, bounds.

A frame is the length of what follows (4 bytes, little-endian), one byte of kind, and a body. The
front speaks first, by HELLO. Both ends are of one version: another is turned away.
"""

import contextlib
import enum
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kench.pool.errors import KenchError
from kench.pool.job import Job, JobFacts
from kench.pool.journal import ArchivedJob

FEED_VERSION = 1
LENGTH_BYTES = 4
# A job takes about 5 KB; the state of a front grows with its participants.
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
# What may wait for a peer that does not read; then the connection is dropped.
FEED_WAITING_BYTES_MAX = 8 * 1024 * 1024
_FOR_ALL, _FOR_SOME = b"\x01", b"\x00"


class Kind(enum.IntEnum):
    """What a frame holds. Kinds that a peer does not know are skipped."""

    # front -> maker
    HELLO = 1  # {version, number, pid}
    STATE = 2  # the front's state, each second, and the refusals since the last
    RETARGET = 3  # another job of the same template is wanted
    BLOCK_ACCEPTED = 4  # a node took a block of ours
    SESSIONS = 5  # facts of sessions that changed, packed (statistics)
    HELD = 6  # sessions that have work, packed: id, extranonce1, difficulty
    HELD_ALL = 7  # what this front holds was told from the beginning, and that was all
    GONE = 8  # extranonce1s that nobody can resume any more
    CLAIM = 9  # {ask, session}: what did that session leave behind?
    YIELDED = 10  # {ask, value, difficulty}: it is let go of; value null where it is not
    COSTS = 11  # {costs: [[address, cost, sessions]], bans: [[address, seconds, count]]}
    ORIGINS = 12  # [[participant, day, address]] that are new today (statistics)
    FOUND = 13  # a block was found: its file is there, or here is what the disk refused
    # maker -> front
    JOB = 32
    NO_JOB = 33  # {why}
    PROPOSAL = 34  # {reason}: why a node would not take our blocks, null if it would
    GRANT = 35  # {ask, session, value, difficulty, holders}; {ask, value: null} for no
    YIELD = 36  # {ask, session}: let go of what it left behind
    RESERVED = 37  # extranonce1s of this front that live elsewhere, or may
    RETURNED = 38  # extranonce1s of this front that are free again
    COSTS_ELSEWHERE = 39  # {fronts, costs: [[address, cost, sessions]]}, answered by COSTS
    BANS = 40  # {bans: [[address, seconds, count]]}


# What is said of extranonces, by each side.
VALUES_FROM_FRONT = frozenset({Kind.HELD, Kind.HELD_ALL, Kind.GONE, Kind.CLAIM, Kind.YIELDED})
VALUES_FROM_MAKER = frozenset({Kind.GRANT, Kind.YIELD, Kind.RESERVED, Kind.RETURNED})


class FeedBrokenError(KenchError):
    """The other end of the feed says what it should not."""


def frame(kind: Kind, body: bytes = b"") -> bytes:
    """Return one frame."""
    if len(body) >= MESSAGE_BYTES_MAX:
        raise FeedBrokenError(f"a message of {len(body)} bytes is too long for the feed")
    return (len(body) + 1).to_bytes(LENGTH_BYTES, "little") + bytes([kind]) + body


def frame_of(kind: Kind, content: object) -> bytes:
    """Return one frame whose body is JSON."""
    return frame(kind, json.dumps(content, separators=(",", ":")).encode())


def content_of(body: bytes) -> dict[str, Any]:
    """Read a body of JSON; raises FeedBrokenError."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as wrong:
        raise FeedBrokenError("the feed carries something that is no JSON") from wrong
    if not isinstance(content, dict):
        raise FeedBrokenError("the feed carries JSON that is no object")
    return content


class Frames:
    """Cuts what arrives into frames, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (kind, body) of each frame that is whole now; raises FeedBrokenError."""
        rest = self._rest
        rest += data
        while len(rest) > LENGTH_BYTES:
            length = int.from_bytes(rest[:LENGTH_BYTES], "little")
            if not 1 <= length <= MESSAGE_BYTES_MAX:
                raise FeedBrokenError(f"the feed announces a message of {length} bytes")
            end = LENGTH_BYTES + length
            if len(rest) < end:
                return
            kind, body = rest[LENGTH_BYTES], bytes(rest[LENGTH_BYTES + 1 : end])
            del rest[:end]
            yield kind, body


def job_frame(job: Job, *, for_all: bool) -> bytes:
    """Return the frame of a job: everything encoded here once, for all fronts."""
    facts = json.dumps(asdict(job.facts)).encode()
    lines = (job.archived.line(), facts, b"\n", job.notify_clean, job.notify_more)
    return frame(Kind.JOB, (_FOR_ALL if for_all else _FOR_SOME) + b"".join(lines))


def job_of(body: bytes) -> tuple[Job, bool]:
    """Read the body of a job's frame; also says whether it is for all. Raises FeedBrokenError."""
    try:
        archived, facts, clean, more, _ = body[1:].split(b"\n")
        job = Job.of(
            ArchivedJob.from_line(archived),
            JobFacts(**json.loads(facts)),
            clean + b"\n",
            more + b"\n",
        )
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as wrong:
        raise FeedBrokenError(f"the feed carries a job that cannot be read ({wrong!r})") from wrong
    return job, body[:1] == _FOR_ALL


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Name a Unix socket by few bytes, however deep its folder lies (sun_path has 108)."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
