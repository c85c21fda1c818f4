"""How hard blocks were in hours that nobody wrote down: from the jobs beside the journals.

A segment has an hour of jobs, each named by the microsecond it was made in: its first and its last
are enough. Between two of one target, less than a day apart, the network cannot have had another.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import jobs_path, segment_paths
from kench.pool.work import work_of_target
from kench.stratum.statistics.gathering import HOUR_S
from kench.stratum.statistics.history import DAY_S
from kench.stratum.statistics.network import add_hours

# As far back as anybody asks, and as is read of each archive's end for its last job.
LOOK_BACK_S, TAIL_BYTES = 90 * DAY_S, 64 * 1024

_KNOWN = sa.text("""
    SELECT extract(epoch FROM bucket_at)::bigint FROM network_hours
    WHERE bucket_at >= to_timestamp(:since_s)
""")


class Seen(NamedTuple):
    """What a job said of the network."""

    time_s: int
    nbits: int
    block_work_hashes: int


def fill_hours(engine: sa.Engine, journals: Path, now_s: float) -> int:
    """Write what the archives know of past hours that have no row; return how many."""
    this_hour_s = int(now_s) // HOUR_S * HOUR_S
    since_s = this_hour_s - LOOK_BACK_S
    with engine.connect() as connection:
        known = set(connection.scalars(_KNOWN, {"since_s": since_s}))
    missing = set(range(since_s, this_hour_s, HOUR_S)) - known
    found: dict[int, tuple[int, int]] = {}
    for directory in sorted(journals.glob("[0-9]*")):
        if missing:
            hours = hours_of(sorted(_seen(directory, since_s)))
            found |= {hour_s: hours[hour_s] for hour_s in missing & hours.keys()}
            missing -= hours.keys()
    add_hours(engine, found)
    return len(found)


def hours_of(seen: list[Seen]) -> dict[int, tuple[int, int]]:
    """Return the target of each hour that is certain; `seen` is in the order of time."""
    hours: dict[int, tuple[int, int]] = {}
    for one in seen:
        hours.setdefault(one.time_s // HOUR_S * HOUR_S, one[1:])
    for one, other in pairwise(seen):
        if one[1:] == other[1:] and other.time_s - one.time_s < DAY_S:
            for hour_s in range(one.time_s // HOUR_S * HOUR_S + HOUR_S, other.time_s, HOUR_S):
                hours.setdefault(hour_s, one[1:])
    return hours


def _seen(directory: Path, since_s: int) -> Iterator[Seen]:
    """Read the first and the last job of each archive that is not older."""
    for segment in segment_paths(directory):
        path = jobs_path(segment)
        try:
            if path.stat().st_mtime < since_s:
                continue
            with path.open("rb") as file:
                lines = [file.readline()]
                file.seek(max(0, path.stat().st_size - TAIL_BYTES))
                lines += file.read().splitlines(keepends=True)[-1:]
        except FileNotFoundError:
            continue
        for line in lines:
            if line.endswith(b"\n"):
                yield from _read(line)


def _read(line: bytes) -> Iterator[Seen]:
    try:
        job = ArchivedJob.from_line(line)
    except (ValueError, KeyError, TypeError):
        return  # whoever reads shares says so; here an hour stays unknown
    yield Seen(job.job_key // 1_000_000, job.nbits, work_of_target(job.block_target))
