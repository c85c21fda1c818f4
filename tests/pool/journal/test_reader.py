"""Claims about reading the journal: never past what is durable, never what was not written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.journal import SHARE, JobNotArchivedError, JournalCorruptError, JournalReader
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.reader import count_whole_records
from kench.pool.journal.segment import OpenSegment
from tests.support.records import archived_job, raw_records


def write_segment(directory: Path, first: int, count: int, *job_keys: int) -> None:
    segment = OpenSegment.create(directory, 0, first, 0)
    segment.append(
        b"".join(archived_job(key).line() for key in job_keys), raw_records(first, count)
    )
    segment.close()


def mark(directory: Path, durable: int) -> None:
    durable_mark = DurableMark(directory)
    durable_mark.set(Mark(durable, 0))
    durable_mark.close()


def test_the_record_has_72_bytes_without_gaps() -> None:
    assert SHARE.itemsize == 72
    assert SHARE.fields is not None
    assert sum(kind.itemsize for kind, *_ in SHARE.fields.values()) == 72


def test_an_absent_journal_is_empty(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path / "none")
    assert reader.durable() == 0
    assert len(reader.read(0, 10)) == 0
    assert reader.segments() == []


def test_records_beyond_the_durable_mark_are_not_shown(tmp_path: Path) -> None:
    write_segment(tmp_path, 0, 10, 1)
    mark(tmp_path, 4)
    assert JournalReader(tmp_path).read(0, 100)["sequence"].tolist() == [0, 1, 2, 3]


@given(start=st.integers(0, 30), limit=st.integers(0, 40))
def test_any_range_is_read_in_order_and_whole(
    tmp_path_factory: pytest.TempPathFactory, start: int, limit: int
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    for first in (0, 10, 20):
        write_segment(directory, first, 10, first + 1)
    mark(directory, 30)
    found = JournalReader(directory).read(start, limit)["sequence"].tolist()
    end = min(start + limit, (start // 10 + 1) * 10, 30)
    assert found == list(range(start, end))


def test_a_segment_that_ends_early_is_corruption_not_silence(tmp_path: Path) -> None:
    write_segment(tmp_path, 0, 3, 1)
    mark(tmp_path, 5)
    with pytest.raises(JournalCorruptError, match="ends before"):
        JournalReader(tmp_path).read(0, 10)


def test_a_missing_first_segment_is_corruption(tmp_path: Path) -> None:
    write_segment(tmp_path, 10, 3, 1)
    mark(tmp_path, 13)
    with pytest.raises(JournalCorruptError, match="no segment with share 0"):
        JournalReader(tmp_path).read(0, 10)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    write_segment(tmp_path, 0, 3, 1)
    mark(tmp_path, 3)
    path = tmp_path / f"{0:016d}.shares"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with pytest.raises(JournalCorruptError, match="does not open as"):
        JournalReader(tmp_path).read(0, 10)


def test_a_job_added_after_the_archive_was_read_is_found(tmp_path: Path) -> None:
    segment = OpenSegment.create(tmp_path, 0, 0, 0)
    reader = JournalReader(tmp_path)
    with pytest.raises(JobNotArchivedError, match="job 7"):
        reader.job(7)
    segment.append(archived_job(7).line(), b"")
    assert reader.job(7).job_key == 7
    segment.close()


def test_jobs_of_older_segments_are_found(tmp_path: Path) -> None:
    write_segment(tmp_path, 0, 1, 3)
    write_segment(tmp_path, 1, 1, 4)
    assert [JournalReader(tmp_path).job(key).job_key for key in (3, 4)] == [3, 4]


@given(flip=st.integers(0, 5 * 72 - 1), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found_in_its_record(flip: int, bit: int) -> None:
    raw = bytearray(raw_records(100, 5))
    raw[flip] ^= 1 << bit
    assert count_whole_records(bytes(raw), 100) == flip // 72


def test_a_record_out_of_its_place_is_found() -> None:
    raw = raw_records(0, 2) + raw_records(3, 2)
    assert count_whole_records(raw, 0) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ntime", -1),
        ("ntime", "0"),
        ("mintime", 1 << 32),
        ("prevhash", "zz" * 32),
        ("branches", "00"),
        ("nbits", "1ffffffff"),
        ("block_target", "1" + "00" * 32),
        ("extranonce2_size", 0),
    ],
)
def test_a_line_of_the_archive_that_no_share_can_be_hashed_with_is_corruption(
    tmp_path: Path, name: str, said: object
) -> None:
    fields = json.loads(archived_job().line()) | {name: said}
    (tmp_path / f"{0:016d}.shares").touch()
    (tmp_path / f"{0:016d}.jobs").write_text(json.dumps(fields) + "\n")
    with pytest.raises(JournalCorruptError, match="that is no job"):
        JournalReader(tmp_path).job(1)
