"""Claims about the journal's writer: what it acknowledges is there, whatever happens."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kench.pool.clock import ManualClock
from kench.pool.journal import (
    Batch,
    JournalCorruptError,
    JournalError,
    JournalReader,
    JournalWriter,
    SegmentDigest,
)
from kench.pool.journal.format import NO_DIGEST, digest_path, jobs_path, segment_paths
from kench.pool.journal.mark import MARK_SIZE, Mark, read_mark
from kench.pool.journal.segment import OpenSegment
from kench.pool.journal.writer import last_job_key
from tests.support.records import archived_job, raw_records

RECORD = 72
WAIT_S = 10


class Journal:
    """A writer under test, with what it told."""

    def __init__(self, directory: Path, segment_bytes: int = 1 << 30) -> None:
        self.directory = directory
        self.clock = ManualClock()
        self.writer = JournalWriter(directory, 0, self.clock, segment_bytes, 3600.0)
        self.next_sequence = self.writer.next_sequence
        self.watermark_us = self.writer.floor_us
        self.durable = threading.Semaphore(0)
        self.troubles: list[OSError | None] = []
        self.troubled = threading.Event()
        self.faults: list[Exception] = []
        self.writer.start(lambda _batch: self.durable.release(), self._trouble, self._fault)

    def _trouble(self, error: OSError | None) -> None:
        self.troubles.append(error)
        self.troubled.set()

    def _fault(self, fault: Exception) -> None:
        self.faults.append(fault)
        self.troubled.set()

    def hand_over(self, count: int, *job_keys: int) -> None:
        records = raw_records(self.next_sequence, count)
        self.next_sequence += count
        self.writer.hand_over(
            Batch([archived_job(key) for key in job_keys], records, count, self.watermark_us)
        )

    def write(self, count: int, *job_keys: int) -> None:
        self.hand_over(count, *job_keys)
        assert self.durable.acquire(timeout=WAIT_S)

    def read_all(self) -> list[int]:
        reader = JournalReader(self.directory)
        found: list[int] = []
        while len(batch := reader.read(len(found), 1000)):
            found += batch["sequence"].tolist()
        return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    yield journal
    journal.writer.stop()


def test_what_was_told_durable_can_be_read_at_once(journal: Journal) -> None:
    journal.write(3, 1)
    assert journal.read_all() == [0, 1, 2]
    assert JournalReader(journal.directory).job(1) == archived_job(1)


def test_jobs_are_on_disk_before_the_shares_made_on_them(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fdatasync

    def watched(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().suffix)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", watched)
    journal.write(1, 5)
    assert synced == [".jobs", ".shares"]


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    for start in (0, 4):
        journal = Journal(tmp_path)
        assert journal.next_sequence == start
        journal.write(4, start + 1)
        journal.writer.stop()
    assert Journal(tmp_path).read_all() == list(range(8))
    assert last_job_key(tmp_path) == 5


def test_an_empty_batch_tells_readers_that_time_has_passed(journal: Journal) -> None:
    journal.write(3, 1)
    journal.watermark_us = 1_800_000_000_000_000
    journal.write(0)
    assert read_mark(journal.directory) == Mark(3, 1_800_000_000_000_000)


def test_a_writer_begins_after_all_that_readers_were_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.writer.floor_us == 1
    journal.watermark_us = 1_800_000_000_000_000
    journal.write(3, 1)
    journal.writer.stop()
    again = Journal(tmp_path)
    assert again.writer.floor_us == 1_800_000_000_000_000
    assert read_mark(tmp_path) == Mark(3, 1_800_000_000_000_000)
    again.writer.stop()


def test_a_new_journal_begins_after_what_all_others_have_told(tmp_path: Path) -> None:
    others = [Journal(tmp_path / name) for name in ("0", "1")]
    for journal, watermark_us in zip(
        others, (1_800_000_000_000_000, 1_900_000_000_000_000), strict=True
    ):
        journal.watermark_us = watermark_us
        journal.write(3, 1)
    (tmp_path / "2").mkdir()  # it has told nothing yet
    (tmp_path / "4").write_text("no journal at all")
    late = Journal(tmp_path / "3")
    assert late.writer.floor_us == 1_800_000_000_000_000
    for journal in (*others, late):
        journal.writer.stop()


@pytest.mark.parametrize("rotated", [False, True])
def test_a_writer_begins_after_the_last_record_where_the_mark_was_lost(
    tmp_path: Path, rotated: bool
) -> None:
    journal = Journal(tmp_path, segment_bytes=4096)
    journal.write(100, 1)
    if rotated:
        journal.write(0)
    journal.writer.stop()
    assert len(segment_paths(tmp_path)) == 1 + rotated
    (tmp_path / "durable").write_bytes((100).to_bytes(8, "little"))
    again = Journal(tmp_path)
    assert again.next_sequence == 100
    assert again.writer.floor_us == int(JournalReader(tmp_path).read(99, 1)["time_us"][0]) + 1
    again.writer.stop()


def test_two_writers_cannot_share_a_journal(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.pool.journal.mark.LOCK_RETRY_S", 0.0)
    with pytest.raises(JournalError, match="KENCH_INSTANCE"):
        JournalWriter(journal.directory, 0, ManualClock(), 1 << 30, 3600.0)


@pytest.mark.parametrize("torn", [1, 35, 71, 73, 144 + 40])
def test_a_torn_tail_is_cut_and_kept_aside(tmp_path: Path, torn: int) -> None:
    journal = Journal(tmp_path)
    journal.write(5, 1)
    journal.writer.stop()
    (segment,) = segment_paths(tmp_path)
    whole = segment.stat().st_size
    tail = raw_records(5, 3)[:torn]
    with segment.open("ab") as file:
        file.write(tail)
    with jobs_path(segment).open("ab") as file:
        file.write(b'{"job":"2","height":')
    again = Journal(tmp_path)
    kept = 5 + torn // RECORD
    assert again.next_sequence == kept
    assert again.read_all() == list(range(kept))
    again.writer.stop()
    assert segment.stat().st_size == whole + torn // RECORD * RECORD
    assert segment.with_name(segment.name + ".torn").read_bytes() == tail[torn // RECORD * RECORD :]
    assert jobs_path(segment).read_bytes() == archived_job(1).line()


def test_a_flipped_bit_in_the_tail_is_found_by_its_checksum(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(5, 1)
    journal.writer.stop()
    (segment,) = segment_paths(tmp_path)
    raw = bytearray(segment.read_bytes())
    raw[64 + 3 * RECORD + 20] ^= 1
    segment.write_bytes(raw)
    with pytest.raises(JournalCorruptError, match="share 3"):
        JournalReader(tmp_path).read(0, 10)
    assert Journal(tmp_path).next_sequence == 3


def test_a_crash_while_a_segment_is_made_loses_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(2, 1)
    journal.writer.stop()
    (tmp_path / f"{2:016d}.shares").write_bytes(b"KENCH")
    again = Journal(tmp_path)
    assert again.next_sequence == 2
    again.write(1)
    assert again.read_all() == [0, 1, 2]
    again.writer.stop()


def test_segments_rotate_by_size_and_their_digests_form_a_chain(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=64 + 10 * RECORD)
    for number in range(7):
        journal.write(5, number + 1)
    journal.writer.stop()
    segments = segment_paths(tmp_path)
    assert [int(path.stem) for path in segments] == [0, 10, 20, 30]
    digests = [SegmentDigest.read(digest_path(path)) for path in segments[:-1]]
    assert [digest.previous for digest in digests] == [NO_DIGEST, *(d.digest for d in digests[:-1])]
    assert [digest.records for digest in digests] == [10, 10, 10]
    assert journal.read_all() == list(range(35))


def test_segments_rotate_by_age_but_never_empty(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(1, 1)
    journal.clock.advance(4000)
    journal.write(1)
    journal.clock.advance(4000)
    journal.write(0)
    journal.clock.advance(4000)
    journal.write(0)
    journal.writer.stop()
    assert [int(path.stem) for path in segment_paths(tmp_path)] == [0, 1, 2]


def test_a_changed_digest_file_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=4096)
    journal.write(100, 1)
    journal.write(1)
    journal.writer.stop()
    path = digest_path(segment_paths(tmp_path)[0])
    path.write_text(path.read_text().replace('"records": 100', '"records": 101'))
    with pytest.raises(JournalCorruptError, match="own digest"):
        SegmentDigest.read(path)


@pytest.mark.parametrize("after_bytes", [0, 30, 100])
def test_a_full_disk_is_told_survived_and_loses_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, after_bytes: int
) -> None:
    journal.write(2, 1)
    room = threading.Event()
    real = os.pwrite

    def full(fd: int, data: bytes, offset: int) -> int:
        if room.is_set() or len(data) == MARK_SIZE:  # the durable mark needs no new room
            return real(fd, data, offset)
        if len(data) > after_bytes > 0:
            return real(fd, bytes(data[:after_bytes]), offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr("kench.pool.journal.writer.RETRY_S", 0.01)
    journal.hand_over(10, 2)
    assert journal.troubled.wait(WAIT_S)
    assert journal.read_all() == [0, 1]
    room.set()
    assert journal.durable.acquire(timeout=WAIT_S)
    first, last = journal.troubles
    assert isinstance(first, OSError)
    assert first.errno == errno.ENOSPC
    assert last is None
    assert journal.read_all() == list(range(12))


def test_a_failed_sync_is_followed_by_writing_everything_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.write(2, 1)
    real, failures = os.fdatasync, iter([True])

    def fails_once(fd: int) -> None:
        if next(failures, False):
            # The kernel may have dropped the pages: nothing of them may be believed any more.
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fails_once)
    monkeypatch.setattr("kench.pool.journal.writer.RETRY_S", 0.01)
    journal.write(3, 2)
    assert journal.read_all() == list(range(5))
    assert len(journal.troubles) == 2


def test_a_fault_that_is_no_disk_s_is_told_and_nothing_more_is_durable(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=4096)
    journal.write(100, 1)
    journal.write(1)
    digest_path(segment_paths(tmp_path)[0]).write_text("{}")
    journal.write(100)
    journal.hand_over(1)
    assert journal.troubled.wait(WAIT_S)
    (fault,) = journal.faults
    assert isinstance(fault, JournalCorruptError)
    journal.writer.stop()
    assert not journal.durable.acquire(blocking=False)


def test_stopping_gives_up_a_batch_that_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)

    def refuse(_self: OpenSegment, _lines: bytes, _records: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(OpenSegment, "append", refuse)
    journal.hand_over(1, 1)
    assert journal.troubled.wait(WAIT_S)
    journal.writer.stop()
    assert not journal.durable.acquire(blocking=False)
