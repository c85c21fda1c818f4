"""What the stream lacks of a journal, read from its files and cut into messages."""

from collections.abc import Iterator
from pathlib import Path

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
from kench.pool.shipping.catching_up import Cursor
from kench.pool.shipping.frames import Kind, ShippingError, placed_frame

# A message is complete when it has so much; with its last piece it has twice that at most, well
# below the megabyte that a server takes.
MESSAGE_BYTES = 256 * 1024
PIECE_BYTES = 256 * 1024


def messages(
    directory: Path, cursor: Cursor, end: Reached
) -> Iterator[tuple[list[bytes], Cursor, bool]]:
    """Yield frames of a message, where the journal is with them, and whether that is the end.

    The last is yielded though it have no frames. Raises OSError, ShippingError.
    """
    frames: list[bytes] = []
    size, after = 0, Cursor(cursor.first, cursor.jobs, cursor.shares)
    for one, after in _frames(directory, cursor, end):
        frames.append(one)
        size += len(one)
        if size >= MESSAGE_BYTES:
            yield frames, after, False
            frames, size = [], 0
    yield frames, after, True


def records_at(cursor: Cursor) -> int:
    """Return how many records a journal has at a place."""
    return cursor.first + max(0, cursor.shares - HEADER_SIZE) // RECORD_SIZE


def _frames(directory: Path, begin: Cursor, end: Reached) -> Iterator[tuple[bytes, Cursor]]:
    """Yield frame after frame, and the place behind each."""
    first, jobs, shares = begin.first, begin.jobs, begin.shares
    while True:
        path = segment_path(directory, first)
        is_last = first == end.first_sequence
        if not shares:
            with path.open("rb") as file:
                header = file.read(HEADER_SIZE)
            shares = HEADER_SIZE
            yield placed_frame(Kind.OPEN, first, 0, header), Cursor(first, jobs, shares)
        size = end.jobs_size if is_last else jobs_path(path).stat().st_size
        for piece in _pieces(jobs_path(path), jobs, size, is_lines=True):
            frame = placed_frame(Kind.JOBS, first, jobs, piece)
            jobs += len(piece)
            yield frame, Cursor(first, jobs, shares)
        size = end.shares_size if is_last else path.stat().st_size
        for piece in _pieces(path, shares, size, is_lines=False):
            frame = placed_frame(Kind.SHARES, first, shares, piece)
            shares += len(piece)
            yield frame, Cursor(first, jobs, shares)
        if is_last:
            return
        closed, first = first, _next_segment(directory, path)
        jobs = shares = 0
        text = digest_path(path).read_bytes()
        yield placed_frame(Kind.SEAL, closed, 0, text), Cursor(first, 0, 0)


def _pieces(path: Path, start: int, end: int, *, is_lines: bool) -> Iterator[bytes]:
    """Yield the bytes between two places, cut at ends of lines or of records."""
    if start >= end:
        return
    with path.open("rb") as file:
        while start < end:
            file.seek(start)
            piece = file.read(min(PIECE_BYTES - PIECE_BYTES % RECORD_SIZE, end - start))
            if is_lines and start + len(piece) < end:
                piece = piece[: piece.rfind(b"\n") + 1]
            if not piece:
                raise ShippingError(f"{path} is not what it was: restore it")
            start += len(piece)
            yield piece


def _next_segment(directory: Path, path: Path) -> int:
    later = [one for one in segment_paths(directory) if one.name > path.name]
    if not later or not digest_path(path).exists():
        raise ShippingError(f"{path} is closed and has no digest: run `kench verify`")
    return first_sequence_of(later[0])
