"""Up to when settlement may have gone without a journal that begins, as the stream tells it."""

from kench.pool.nats.cluster import Cluster
from kench.pool.stream.layout import read_last, read_numbers
from kench.pool.stream.message import Word


def floor_of_stream(cluster: Cluster, number: int, wait_s: float) -> int:
    """Return what no record of journal `number` may be before, Unix microseconds, 0 for no bound.

    To be asked when its word that it begins was acknowledged. Settlement takes no more than what
    every journal is past; those that another writes are at their last watermarks at most. Where
    nobody else writes it may have gone up to its own clock: clocks of a pool agree by NTP.
    """
    told = []
    for other in cluster.ask(read_numbers(cluster), wait_s):
        last = cluster.ask(read_last(cluster, other), wait_s) if other != number else None
        if last is None or last.stand.word in {Word.ENDED, Word.LOST}:
            continue
        # One that begins now has told no time yet, and is held back by the others as we are.
        if last.stand.watermark_us:
            told.append(last.stand.watermark_us)
    return min(told, default=0)
