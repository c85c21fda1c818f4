"""Up to when settlement may have gone without a journal that begins, as the stream tells it."""

import structlog

from kench.pool.nats.cluster import Cluster
from kench.pool.stream.layout import read_last, read_numbers
from kench.pool.stream.message import Stand, StreamMessageError, Word

log = structlog.get_logger("stream")


def floor_of_stream(cluster: Cluster, number: int, wait_s: float) -> int:
    """Return what no record of journal `number` may be before, Unix microseconds, 0 for no bound.

    To be asked when its word that it begins was acknowledged. Settlement takes no more than what
    every journal is past; those that another writes are at their last watermarks at most. Where
    nobody else writes it may have gone up to its own clock: clocks of a pool agree by NTP.
    """
    told = []
    for other in cluster.ask(read_numbers(cluster), wait_s):
        stand = _stand_of(cluster, other, wait_s) if other != number else None
        if stand is None or stand.word in {Word.ENDED, Word.LOST}:
            continue
        # One that begins now has told no time yet, and is held back by the others as we are.
        if stand.watermark_us:
            told.append(stand.watermark_us)
    return min(told, default=0)


def _stand_of(cluster: Cluster, number: int, wait_s: float) -> Stand | None:
    """Return where a journal is; None where nobody knows, as no archive goes past that either."""
    last = cluster.ask(read_last(cluster, number), wait_s)
    try:
        return last.stand if last is not None else None
    except StreamMessageError as broken:
        log.error("a journal of the stream cannot be read", number=number, why=str(broken))
        return None
