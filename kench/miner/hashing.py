"""The hashing threads: each scans nonces of the current job, outside the interpreter's lock."""

import itertools
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from kench.miner.job import Job
from kench.native import scan_nonces
from kench.pool.clock import Clock

FOUND_MAX = 256
"""Shares found and not sent yet; when full, the threads wait: the line is slower than they are."""
SCAN_S = 0.05
"""A scan call should take about this long: a new job waits no longer than that."""
SCAN_MIN, SCAN_MAX = 1 << 10, 1 << 26
NONCES = 1 << 32
WAIT_S = 0.2
JOIN_S = 5.0


class Found(NamedTuple):
    """A nonce whose header meets the job's target."""

    job: Job
    extranonce2: bytes
    nonce: int


class Hashing:
    """A few threads that work on whatever job was assigned last."""

    def __init__(self, threads: int, clock: Clock, on_found: Callable[[], None]) -> None:
        """Prepare `threads` threads; `on_found` is called from one of them after each find."""
        self.found: queue.Queue[Found] = queue.Queue(FOUND_MAX)
        self._clock = clock
        self._on_found = on_found
        self._job: Job | None = None
        self._work = threading.Event()
        self._stopping = False
        self._extranonce2 = itertools.count()  # next() is atomic: no two threads share a value
        self._hashes = [0] * threads
        self._threads = [
            threading.Thread(target=self._run, args=(index,), name=f"hashing-{index}", daemon=True)
            for index in range(threads)
        ]

    @property
    def hashes(self) -> int:
        """Headers hashed since the start, by all threads."""
        return sum(self._hashes)

    def start(self) -> None:
        """Start the threads; they wait for a job."""
        for thread in self._threads:
            thread.start()

    def assign(self, job: Job | None) -> None:
        """Work on `job` from now on, or rest with None."""
        self._job = job
        if job is None:
            self._work.clear()
        else:
            self._work.set()

    def stop(self) -> None:
        """End the threads and wait for them; a scan ends within a tenth of a second."""
        self._stopping = True
        self._job = None
        self._work.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(JOIN_S)

    def _run(self, index: int) -> None:
        scan_count = SCAN_MIN
        while not self._stopping:
            job = self._job
            if job is None:
                self._work.wait(WAIT_S)
                continue
            number = next(self._extranonce2) % (1 << 8 * job.extranonce2_size)
            extranonce2 = number.to_bytes(job.extranonce2_size, "big")
            scan_count = self._scan_all(index, job, extranonce2, scan_count)

    def _scan_all(self, index: int, job: Job, extranonce2: bytes, scan_count: int) -> int:
        """Scan every nonce of one extranonce2, or until the job changes; return the scan size."""
        header76, target_le = job.header76(extranonce2), job.target_le
        start = 0
        while start < NONCES and self._job is job:
            count = min(scan_count, NONCES - start)
            began = self._clock.monotonic()
            nonce = scan_nonces(header76, target_le, start, count)
            if nonce < 0:
                scan_count = _resize(count, self._clock.monotonic() - began)
                start += count
                self._hashes[index] += count
                continue
            self._hashes[index] += nonce + 1 - start
            start = nonce + 1
            self._offer(Found(job, extranonce2, nonce))
        return scan_count

    def _offer(self, found: Found) -> None:
        while self._job is found.job:
            try:
                self.found.put(found, timeout=WAIT_S)
            except queue.Full:
                continue
            self._on_found()
            return


def _resize(count: int, took_s: float) -> int:
    """Return the scan size for SCAN_S, at most doubled or halved in a step."""
    wanted = int(count * SCAN_S / took_s) if took_s > 0 else count * 2
    return max(SCAN_MIN, min(SCAN_MAX, count * 2, max(count // 2, wanted)))
