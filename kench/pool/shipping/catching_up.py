"""Bringing a standby's journal to where ours is: where to begin, and the files from there on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kench.native import RECORD_SIZE
from kench.pool.journal.format import (
    HEADER_SIZE,
    digest_path,
    first_sequence_of,
    jobs_path,
    segment_path,
    segment_paths,
)
from kench.pool.journal.replica import Reached
from kench.pool.shipping.frames import (
    SHIPPING_VERSION,
    Kind,
    ShippingError,
    placed_frame,
    read_words,
    words_frame,
)
from kench.pool.shipping.link import Link

PIECE_BYTES = 1024 * 1024
# So much is sent before it is committed, which bounds what the standby has in memory.
COMMIT_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class Cursor:
    """How far the standby's copy is: its segment, and the sizes of the two files."""

    first: int
    jobs: int
    shares: int


Expect = Callable[[Kind, Kind, bytes], None]
"""Raises unless the kind that came is the one that was to come."""


def agree(
    link: Link, directory: Path, end: Reached, hello: dict[str, Any], expect: Expect
) -> Cursor:
    """Say who we are, hear how far the standby is, and say from where we go on.

    Raises ShippingError, OSError, and what `expect` raises.
    """
    link.send(words_frame(Kind.HELLO, {"version": SHIPPING_VERSION} | hello))
    kind, body = link.receive()
    expect(Kind.STATE, kind, body)
    cursor, missing = _begin(directory, end, read_words(body).get("segment"))
    start: dict[str, Any] = {"first": cursor.first, "jobs": cursor.jobs, "shares": cursor.shares}
    if not missing:
        path = segment_path(directory, cursor.first)
        start["jobs_sha256"] = sha256_of(jobs_path(path), cursor.jobs)
        start["shares_sha256"] = sha256_of(path, cursor.shares)
    link.send(words_frame(Kind.START, start))
    kind, body = link.receive()
    expect(Kind.KEPT, kind, body)
    if missing:
        _open(link, directory, cursor)
    return cursor


def catch_up(
    link: Link,
    directory: Path,
    cursor: Cursor,
    end: Reached,
    commit: Callable[[int, int], None],
) -> int:
    """Send what the standby lacks up to `end`, segment by segment; return how many bytes.

    Ends with a commit, even of nothing: the time passes there too.
    """
    sent = waiting = 0
    while True:
        path = segment_path(directory, cursor.first)
        is_last = cursor.first == end.first_sequence
        jobs = end.jobs_size if is_last else jobs_path(path).stat().st_size
        shares = end.shares_size if is_last else path.stat().st_size
        for kind, file, size in ((Kind.JOBS, jobs_path(path), jobs), (Kind.SHARES, path, shares)):
            name = "jobs" if kind is Kind.JOBS else "shares"
            with file.open("rb") as opened:
                while (at := getattr(cursor, name)) < size:
                    opened.seek(at)
                    piece = opened.read(min(PIECE_BYTES - PIECE_BYTES % RECORD_SIZE, size - at))
                    if not piece:
                        raise ShippingError(f"{file} is shorter than it was: restore it")
                    link.send(placed_frame(kind, cursor.first, at, piece))
                    setattr(cursor, name, at + len(piece))
                    sent, waiting = sent + len(piece), waiting + len(piece)
                    if waiting >= COMMIT_BYTES:
                        waiting = 0
                        # Of a journal that is not there in whole no time is complete.
                        commit(_records(cursor), 0)
        if is_last:
            commit(_records(cursor), end.watermark_us)
            return sent
        commit(_records(cursor), 0)
        waiting = 0
        _next_segment(link, directory, cursor)


def sha256_of(path: Path, size: int) -> str:
    """Return the digest of the first `size` bytes of a file; of what there is, if it is shorter."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(PIECE_BYTES, size))):
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()


def _begin(directory: Path, end: Reached, theirs: dict[str, Any] | None) -> tuple[Cursor, bool]:
    """Return from where to go on, and whether the standby has nothing of that segment yet."""
    own = [first_sequence_of(path) for path in segment_paths(directory)]
    if theirs is None:
        return Cursor(own[0], 0, HEADER_SIZE), True
    there = int(theirs["first"])
    if there > end.first_sequence:
        return Cursor(end.first_sequence, end.jobs_size, end.shares_size), False
    if there not in own:
        raise ShippingError(
            f"the standby's journal goes up to segment {there}, which {directory} does not have: "
            "restore it there, or make the standby anew"
        )
    path = segment_path(directory, there)
    is_last = there == end.first_sequence
    jobs = end.jobs_size if is_last else jobs_path(path).stat().st_size
    shares = end.shares_size if is_last else path.stat().st_size
    return Cursor(there, min(jobs, int(theirs["jobs"])), min(shares, int(theirs["shares"]))), False


def _next_segment(link: Link, directory: Path, cursor: Cursor) -> None:
    path = segment_path(directory, cursor.first)
    later = [one for one in segment_paths(directory) if one.name > path.name]
    digest = digest_path(path)
    if not later or not digest.exists():
        raise ShippingError(f"{path} is closed and has no digest: run `kench verify`")
    link.send(placed_frame(Kind.SEAL, cursor.first, 0, digest.read_bytes()))
    cursor.first, cursor.jobs, cursor.shares = first_sequence_of(later[0]), 0, HEADER_SIZE
    _open(link, directory, cursor)


def _open(link: Link, directory: Path, cursor: Cursor) -> None:
    with segment_path(directory, cursor.first).open("rb") as file:
        link.send(placed_frame(Kind.OPEN, cursor.first, 0, file.read(HEADER_SIZE)))


def _records(cursor: Cursor) -> int:
    return cursor.first + (cursor.shares - HEADER_SIZE) // RECORD_SIZE
