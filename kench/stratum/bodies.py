"""Bodies of blocks to be: a template's transactions in a file, for when one of its jobs is solved.

    DATA/run/bodies/<key of the template's first job, hex>     the transactions in hex, no more

The job maker writes each after the job went out, and a front reads one when it found a block. They
need to outlive processes, not machines: the miners' jobs die with the machine.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

import structlog

from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.job import Job, JobFacts
from kench.stratum.jobs import JOBS_MAX

# A body of the tip before is kept this long: a late share may still be a block (A8.13).
OLD_TIP_S = 120.0
# What all bodies may take together; the oldest give way.
BODIES_BYTES_MAX = 1 << 30
# Files of a run before that nobody took away are removed when this old.
STRAY_S = 3600.0
# A body that the disk refuses is tried again, and once more with the next job of its template.
WRITE_TRIES, WRITE_RETRY_S = 10, 1.0
# How long a front waits for a body that is being written, and how often it looks.
READ_WAIT_S, READ_AGAIN_S = 15.0, 0.002

log = structlog.get_logger("stratum")


class BodyMissingError(KenchError):
    """A block was found whose transactions are not there."""


@dataclass(slots=True)
class _Kept:
    prevhash_le: bytes
    size: int
    last_job: int  # number of the newest job made on it
    old_since: float | None = None  # when its tip was left


class BodyFolder:
    """The job maker's side: writes bodies in a thread of its own, and takes old ones away."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._jobs = 0
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, "bodies")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_strays()

    def keep(self, job: Job, transactions_hex: Callable[[], bytes]) -> None:
        """Have the body of a job's template written, once for all of its jobs; returns at once."""
        self._thread.submit(self._keep, job, transactions_hex)

    def stop(self) -> None:
        """Write what is waiting, and leave the files to the fronts."""
        self._stopping.set()
        self._thread.shutdown()

    def _keep(self, job: Job, transactions_hex: Callable[[], bytes]) -> None:
        self._jobs += 1
        key, now = job.facts.body_key, self._clock.monotonic()
        for kept in self._kept.values():
            if kept.prevhash_le != job.prevhash_le and kept.old_since is None:
                kept.old_since = now
        known = self._kept.get(key)
        if known is not None:
            known.last_job = self._jobs
        elif job.facts.transactions:
            try:
                body = transactions_hex()
            except BodyMissingError as missing:
                log.error("a block of this body would go out elsewhere alone", why=str(missing))
                return
            if self._write(key, body):
                self._kept[key] = _Kept(job.prevhash_le, len(body), self._jobs)
        self._expire(key, now)

    def _write(self, key: int, body: bytes) -> bool:
        path = body_path(self._directory, key)
        partial = path.with_suffix(".partial")
        for _ in range(WRITE_TRIES):
            try:
                partial.write_bytes(body)
                partial.replace(path)
            except OSError as error:
                log.critical("a template's transactions are not on disk", why=error.strerror)
                if self._stopping.wait(WRITE_RETRY_S):
                    break
            else:
                return True
        return False

    def _expire(self, newest: int, now: float) -> None:
        """Remove bodies whose jobs no share can be judged by, and the oldest past the bound."""
        total = sum(kept.size for kept in self._kept.values())
        for key, kept in tuple(self._kept.items()):
            left = kept.old_since is not None and now - kept.old_since > OLD_TIP_S
            gone = self._jobs - kept.last_job >= JOBS_MAX
            if key != newest and (left or gone or total > BODIES_BYTES_MAX):
                total -= kept.size
                del self._kept[key]
                body_path(self._directory, key).unlink(missing_ok=True)

    def _remove_strays(self) -> None:
        now_s = self._clock.now_us() / 1_000_000
        for path in self._directory.iterdir():
            if now_s - path.stat().st_mtime > STRAY_S:
                path.unlink(missing_ok=True)


def body_path(directory: Path, key: int) -> Path:
    """Return where the body of that key lies."""
    return directory / f"{key:x}"


def whole_block(
    begun_hex: bytes,
    directory: Path,
    facts: JobFacts,
    pause: Callable[[float], object],
    clock: Clock,
) -> bytes:
    """Return a block in hex: what is `begun` on a job of these facts, its body from its file.

    Waits a bounded time for the file, and blocks the caller. Raises BodyMissingError.
    """
    if not facts.transactions:
        return begun_hex
    path = body_path(directory, facts.body_key)
    deadline = clock.monotonic() + READ_WAIT_S
    while True:
        try:
            with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as body:
                return b"".join((begun_hex, body))  # megabytes, copied once
        except FileNotFoundError:
            if clock.monotonic() > deadline:
                raise BodyMissingError(
                    f"the transactions of body {facts.body_key:x} are not in {directory}: is the"
                    " disk full?"
                ) from None
            pause(READ_AGAIN_S)
