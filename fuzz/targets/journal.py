"""A journal torn or garbled anywhere opens with its whole records kept, or is refused by name.

Inputs are a journal's files after damage: cuts, and bytes changed, in any of them.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from fuzz.source import Source
from kench.pool.clock import ManualClock
from kench.pool.journal import JournalError, JournalReader, JournalWriter
from kench.pool.journal.format import DURABLE_NAME, HEADER_SIZE, segment_header
from tests.support.records import archived_job, raw_records

EXECUTIONS = 3
LENGTH_MAX = 128
RECORDS = 4
JOBS = 2
_MEMORY = Path("/dev/shm")  # syncing a disk would be most of the work


@cache
def _files() -> dict[str, bytes]:
    records = b"".join(raw_records(at, 1, 1 + at % JOBS) for at in range(RECORDS))
    first = "0" * 16
    return {
        f"{first}.shares": segment_header(0, 0, 1) + records,
        f"{first}.jobs": b"".join(archived_job(1 + key).line() for key in range(JOBS)),
        DURABLE_NAME: RECORDS.to_bytes(8, "little"),
    }


def check(data: bytes) -> None:
    """Hold the damaged journal to the invariant."""
    files = _damage(Source(data), dict(_files()))
    place = _MEMORY if _MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(dir=place))
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        before = _read(folder)
        try:
            writer = JournalWriter(folder, 0, ManualClock(2), 1 << 20, 3600.0)
        except JournalError:
            return
        count = writer.next_sequence
        writer.stop()
        # What was whole at the front is there still, and nothing else.
        kept = JournalReader(folder).read(0, 100)
        assert len(kept) == JournalReader(folder).durable() == count
        whole = _files()[f"{'0' * 16}.shares"][HEADER_SIZE:]
        assert whole.startswith(kept.tobytes())
        assert before is None or len(before) <= len(whole)
    finally:
        shutil.rmtree(folder)


def _read(folder: Path) -> bytes | None:
    """Read as settlement does: the records said to be durable, or a refusal."""
    reader = JournalReader(folder)
    try:
        shares = reader.read(0, 100)
        for key in {int(key) for key in shares["job_key"]}:
            reader.job(key).prepare()
    except JournalError:
        return None
    return shares.tobytes()


def _damage(source: Source, files: dict[str, bytes]) -> dict[str, bytes]:
    names = sorted(files)
    for _ in range(source.below(4)):
        name = source.pick(names)
        content = bytearray(files[name])
        at = source.number(2) % (len(content) + 1)
        kind = source.below(4)
        if kind == 0:
            del content[at:]
        elif kind == 1:
            content[at : at + 1] = source.raw(1)
        elif kind == 2:
            content[at:at] = source.raw(source.below(24))
        else:
            del content[at : at + 1 + source.byte()]
        files[name] = bytes(content)
    return files
