"""The disk of the data folder: how long a sync takes, measured, and how much room is left."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from kench.doctor.finding import Finding, bad, by_bounds, ok, warn
from kench.pool.clock import Clock

SYNCS = 50
BYTES = 4096
"""As much as a busy front writes in one turn."""
MEDIAN_WARN_S, MEDIAN_BAD_S = 0.005, 0.05
WORST_WARN_S, WORST_BAD_S = 0.1, 1.0
FREE_WARN, FREE_BAD = 0.10, 0.02
FREE_BYTES_BAD = 1024**3
MEMORY_KINDS = frozenset({"tmpfs", "ramfs"})
FASTER = "a disk of its own for the data folder, with a cache that outlives power (--data)"


def check_disk(data: Path, clock: Clock) -> Iterator[Finding]:
    """Whether what is acknowledged there is safe, and how long that takes."""
    place = data / "journal"
    place = place if place.is_dir() else data
    if not place.is_dir():
        yield bad("disk", f"{data} is not there", "`kench install`, or another --data")
        return
    kind = _kind_of(place)
    if kind in MEMORY_KINDS:
        yield bad("disk", f"{place} is memory ({kind}): what is kept there ends with the power",
                  "another --data")  # fmt: skip
    try:
        took = _measure(place, clock)
    except OSError as error:
        yield bad("disk", f"{place} cannot be written: {error.strerror}",
                  "make it writable for the account that runs this")  # fmt: skip
        return
    usual, worst = median(took), max(took)
    says = f"a sync takes {usual * 1000:.2f} ms, {worst * 1000:.1f} ms at worst ({SYNCS} tried)"
    grave = max(
        by_bounds("disk", usual, says, FASTER, warn_from=MEDIAN_WARN_S, bad_from=MEDIAN_BAD_S),
        by_bounds("disk", worst, says, FASTER, warn_from=WORST_WARN_S, bad_from=WORST_BAD_S),
        key=lambda one: one.level,
    )
    yield grave
    yield from _check_room(place)


def _measure(folder: Path, clock: Clock) -> list[float]:
    """Write and sync as the journal does; returns the seconds that each took."""
    took = []
    with tempfile.TemporaryFile(dir=folder, prefix=".kench-doctor-", buffering=0) as file:
        for _ in range(SYNCS):
            begun_s = clock.monotonic()
            file.write(os.urandom(BYTES))
            os.fdatasync(file.fileno())
            took.append(clock.monotonic() - begun_s)
    return took


def _check_room(folder: Path) -> Iterator[Finding]:
    usage, names = shutil.disk_usage(folder), os.statvfs(folder)
    share = usage.free / usage.total
    named = names.f_favail / names.f_files if names.f_files else 1.0
    says = f"{usage.free / 1024**3:.1f} GiB free, {share:.0%}"
    mend = "make room: old backups and logs first; a full disk stops serving"
    if share < FREE_BAD or usage.free < FREE_BYTES_BAD or named < FREE_BAD:
        yield bad("room", says, mend)
    elif share < FREE_WARN or named < FREE_WARN:
        yield warn("room", says, mend)
    else:
        yield ok("room", says)


def _kind_of(folder: Path) -> str:
    """Return the kind of the file system that a folder is on."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, found, *_ = line.split()
        if folder.resolve().is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, found
    return kind
