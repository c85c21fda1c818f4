"""Which numbers the fronts of one job maker have: none that another's fronts still use.

A reload has two generations alive in a data folder: each holds one of two locks, with its numbers
written in the file. The kernel drops the lock when the job maker dies, however it dies.
"""

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

from kench.pool.errors import KenchError
from kench.pool.reload_progress import LOCK_NAMES
from kench.pool.settings import FRONT_NUMBER_MAX
from kench.stratum.maker.handover import Handover

SLOTS = (0, 1)


class GenerationError(KenchError):
    """No numbers can be taken in this data folder now."""


class Generation:
    """The claim of one job maker, until it is closed or its process ends."""

    def __init__(
        self, run_directory: Path, slot: int, descriptor: int, numbers: range, others: range
    ) -> None:
        self.numbers = numbers
        self.others = others
        """Numbers of the generation that drains beside this one."""
        self.feed_path = run_directory / f"feed-{slot}.sock"
        self.slot = slot
        self.lock = descriptor

    def close(self) -> None:
        """Give the numbers up."""
        os.close(self.lock)


def adopt(run_directory: Path, handed: Handover) -> Generation:
    """Return the generation that this process had before it replaced itself by exec."""
    numbers = range(handed.first, handed.first + handed.count)
    return Generation(run_directory, handed.slot, handed.lock, numbers, range(0))


def claim(
    run_directory: Path,
    instance: int | Callable[[], int],
    count: int,
    *,
    beside: bool = False,
) -> Generation:
    """Claim `count` front numbers, from `instance` on or behind those of the other generation.

    Where `instance` is to be asked for, that is done when the folder is surely ours.

    With `beside` a generation that runs already is left to drain, as a reload wants it. Raises
    GenerationError.
    """
    run_directory.mkdir(parents=True, exist_ok=True)
    free: dict[int, int] = {}
    taken: list[range] = []
    for slot in SLOTS:
        path = run_directory / LOCK_NAMES[slot]
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free[slot] = descriptor
        except BlockingIOError:
            taken.append(_numbers_in(descriptor))
            os.close(descriptor)
    if not free or (taken and not beside):
        for descriptor in free.values():
            os.close(descriptor)
        raise GenerationError(
            f"another `kench stratum` works in {run_directory.parent}: stop that one first, or"
            " choose another folder with KENCH_DATA"
        )
    slot, *spare = sorted(free)
    for other in spare:
        os.close(free[other])
    try:
        instance = instance if isinstance(instance, int) else instance()
    except BaseException:
        os.close(free[slot])
        raise
    first = instance
    if taken and taken[0].start < instance + count and instance < taken[0].stop:
        first = taken[0].stop
    if first + count - 1 > FRONT_NUMBER_MAX:
        os.close(free[slot])
        raise GenerationError(
            f"fronts {first} to {first + count - 1} are beyond {FRONT_NUMBER_MAX}: set"
            " KENCH_INSTANCE lower"
        )
    record = json.dumps({"pid": os.getpid(), "first": first, "count": count}).encode()
    os.ftruncate(free[slot], 0)
    os.pwrite(free[slot], record, 0)
    others = taken[0] if taken else range(0)
    return Generation(run_directory, slot, free[slot], range(first, first + count), others)


def _numbers_in(descriptor: int) -> range:
    """Read a live generation's numbers; none where it is writing them this very moment."""
    try:
        record = json.loads(os.pread(descriptor, 4096, 0))
        return range(record["first"], record["first"] + record["count"])
    except (ValueError, KeyError, TypeError):
        return range(0)
