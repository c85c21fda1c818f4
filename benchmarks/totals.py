"""A hundred million journal records into the totals of a hundred thousand workers.

    python -m benchmarks.totals [--records 100000000]

A segment of a million records, with true checksums, is written, and taken as often as it needs:
its workers come in random order, each with three difficulties of its own. Counted twice: as
records that are in memory, and read from the journal (in the page cache), each record checked. CPU
seconds of one core; the memory is that of the process at its peak. Exit status 1: counting takes
longer than it is held to or more than 1 GiB, or a share or a hash of work is missing.
"""

import argparse
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from kench import native
from kench.payouts.totals import Records, Totals, totals_of_all
from kench.pool.journal.format import SHARE, Flag
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.reader import JournalReader
from kench.pool.journal.segment import OpenSegment
from kench.pool.work import work_of

RECORDS = 100_000_000
SEGMENT_RECORDS = 1_000_000
CHUNK_RECORDS = 65_536
# 100 million in ten seconds, and as much for each of fewer, besides what the totals take.
HELD_NS = 90
HELD_TOTALS_S = 1.0
HELD_BYTES = 1 << 30


def make_journal(folder: Path, workers: int, records: int, first_us: int = 0) -> Records:
    """Write a journal of one segment, a record each microsecond, and return its records."""
    chance = np.random.default_rng(1)
    made = np.zeros(records, SHARE)
    made["worker"] = chance.integers(1, workers + 1, records)
    made["participant"] = 1 + made["worker"] // 20
    # Integers, as miners are sent them: three for each worker, some thousands in all.
    made["difficulty"] = 65_536 + made["worker"] % 4099 * 16 + chance.integers(0, 3, records)
    made["flags"] = np.where(chance.random(records) < 0.001, Flag.UNCREDITED, 0)
    made["sequence"] = np.arange(records)
    made["time_us"] = first_us + np.arange(records)
    made["nonce"] = chance.integers(0, 2**32, records)
    size, raw = SHARE.itemsize, made.tobytes()
    made["crc32"] = [zlib.crc32(raw[at + 4 : at + size]) for at in range(0, len(raw), size)]
    segment = OpenSegment.create(folder, 0, 0, 0)
    segment.append(b"", made.tobytes())
    segment.close()
    mark = DurableMark(folder)
    mark.set(Mark(records, first_us + records))
    mark.close()
    return made


def in_memory(segment: Records, records: int) -> Iterator[Records]:
    """Yield so many records of a segment, over and over again, in chunks."""
    for start in range(0, records, len(segment)):
        part = segment[: records - start]
        for at in range(0, len(part), CHUNK_RECORDS):
            yield part[at : at + CHUNK_RECORDS]


def from_journal(folder: Path, segment: int, records: int) -> Iterator[Records]:
    """Yield the same from the journal, each record checked."""
    reader = JournalReader(folder)
    for start in range(0, records, segment):
        upto = min(segment, records - start)
        for at in range(0, upto, CHUNK_RECORDS):
            yield reader.read_span(at, min(at + CHUNK_RECORDS, upto))


def faults_of(totals: Totals, segment: Records, records: int) -> list[str]:
    """Compare the totals with sums that were taken another way."""
    times, rest = divmod(records, len(segment))
    shares = work = 0
    for part, often in ((segment, times), (segment[:rest], 1)):
        credited = part[(part["flags"] & Flag.UNCREDITED) == 0]
        shares += often * len(credited)
        found, counts = np.unique(credited["difficulty"], return_counts=True)
        work += often * sum(
            work_of(one) * count for one, count in zip(found.tolist(), counts.tolist(), strict=True)
        )
    faults = []
    if sum(total.accepted for total in totals.values()) != shares:
        faults.append("shares are missing from the totals, or too many")
    if sum(total.work_hashes for total in totals.values()) != work:
        faults.append("work is missing from the totals, or too much")
    return faults


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether counting is as fast as it is held to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.totals",
        description="Measure how long journal records take to become totals.",
        epilog="example: python -m benchmarks.totals --records 10000000",
    )
    parser.add_argument("--records", type=int, default=RECORDS, help="(100000000)")
    parser.add_argument("--workers", type=int, default=100_000, help="(100000)")
    parser.add_argument("--folder", type=Path, help="where to write the journal (a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    native.require_compiled()
    shown = Table(title=f"{given.records:,} records of {given.workers:,} workers")
    for name in ("records", "CPU s", "ns a record", "peak MiB"):
        shown.add_column(name, justify="right" if name != "records" else "left")
    figures, faults = {}, []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        segment = make_journal(Path(folder), given.workers, min(given.records, SEGMENT_RECORDS))
        ways = {
            "in memory": in_memory(segment, given.records),
            "read and checked": from_journal(Path(folder), len(segment), given.records),
        }
        for name, way in ways.items():
            start = time.process_time()
            totals = totals_of_all(way)
            cpu_s = time.process_time() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            faults += faults_of(totals, segment, given.records)
            shown.add_row(
                name, f"{cpu_s:.1f}", f"{cpu_s / given.records * 1e9:.0f}", f"{peak >> 20:,}"
            )
            figures[name] = {"cpu_s": cpu_s, "peak_bytes": peak}
    cpu_s = figures["in memory"]["cpu_s"]
    if cpu_s > HELD_NS * given.records / 1e9 + HELD_TOTALS_S:
        faults.append(f"{cpu_s:.1f} s of CPU for {given.records:,} records")
    if figures["read and checked"]["peak_bytes"] > HELD_BYTES:
        faults.append("more than 1 GiB of memory")
    console = Console()
    console.print(shown)
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
