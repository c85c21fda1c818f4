"""A journal that is written on this very machine: its files are here, and need no gathering."""

from pathlib import Path

import structlog

from kench.native import RECORD_SIZE
from kench.pool.errors import KenchError
from kench.pool.journal.format import HEADER_SIZE, first_sequence_of, segment_paths
from kench.pool.stream.message import StreamMessageError, read_message

log = structlog.get_logger("gather")


class NumberTwiceError(KenchError):
    """A journal of this machine is not the one that the stream has under its number."""


def check_own(directory: Path, number: int, message: bytes) -> None:
    """Raise NumberTwiceError where a message says more than the front of this machine wrote.

    One that nobody can read is somebody else's; nothing is taken from it.
    """
    try:
        stand = read_message(message)[1]
    except StreamMessageError as broken:
        log.critical("somebody else writes a journal of ours", number=number, why=str(broken))
        return
    newest = segment_paths(directory)[-1:]
    size = newest[0].stat().st_size - HEADER_SIZE if newest else 0
    if newest and stand.records > first_sequence_of(newest[0]) + max(0, size) // RECORD_SIZE:
        raise NumberTwiceError(
            f"journal {number} is written here and elsewhere too: give one machine another "
            "KENCH_INSTANCE"
        )
