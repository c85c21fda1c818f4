"""A journal's writer alone, one batch under way at a time: what each takes until it is durable."""

import statistics
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kench.native import crc32
from kench.pool.journal import SHARE, Batch, JournalWriter

SIZES = (1, 50, 1000)
LEAST_BATCHES = 20
# Of the largest batches so many times fewer are written.
FEWER = 10
WAIT_S = 60.0


class Took(NamedTuple):
    """What batches of one size took."""

    size: int
    p50_ms: float
    p99_ms: float
    shares_per_s: float
    cpu_us: float
    """Of this process, a batch."""


def records(first: int, count: int) -> bytes:
    """Return whole records."""
    made = np.zeros(count, SHARE)
    made["sequence"] = np.arange(first, first + count)
    made["time_us"] = 1_700_000_000_000_000 + made["sequence"]
    raw = bytearray(made.tobytes())
    for start in range(0, len(raw), SHARE.itemsize):
        raw[start : start + 4] = crc32(bytes(raw[start + 4 : start + SHARE.itemsize])).to_bytes(
            4, "little"
        )
    return bytes(raw)


class Writing:
    """A writer that runs, and when each of its batches was durable."""

    def __init__(self, writer: JournalWriter) -> None:
        self.writer = writer
        self._durable = threading.Semaphore(0)
        writer.start(lambda _batch: self._durable.release(), lambda _e: None, print)
        self.sequence = writer.next_sequence

    def write(self, raw: bytes, count: int) -> float:
        """Write a batch; return the seconds until it was durable."""
        began = time.perf_counter()
        self.writer.hand_over(Batch([], raw, count, self.sequence))
        assert self._durable.acquire(timeout=WAIT_S)
        self.sequence += count
        return time.perf_counter() - began

    def measure(self, batches: int) -> Iterator[Took]:
        """Yield what so many batches of each size take."""
        for size in SIZES:
            count = max(LEAST_BATCHES, batches // (FEWER if size == SIZES[-1] else 1))
            made = [records(self.sequence + at * size, size) for at in range(count)]
            cpu, began = time.process_time(), time.perf_counter()
            took = [self.write(raw, size) for raw in made]
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            took.sort()
            yield Took(
                size, 1000 * statistics.median(took), 1000 * took[int(count * 0.99)],
                count * size / seconds, 1e6 * cpu / count,
            )  # fmt: skip

    def stop(self) -> None:
        """Stop it."""
        self.writer.stop()
