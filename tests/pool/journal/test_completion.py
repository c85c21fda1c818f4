"""A journal without a writer is complete up to now, with all that its writer left on disk."""

from pathlib import Path

import pytest

from kench.pool.clock import ManualClock
from kench.pool.journal import JournalError, JournalReader, JournalWriter
from kench.pool.journal.completion import NotOursError, complete_if_free
from kench.pool.journal.format import segment_paths
from kench.pool.journal.mark import DurableMark, Mark, read_mark
from kench.pool.journal.passing import Passing
from kench.pool.journal.remote import RemoteMark, RemoteState, write_remote
from kench.pool.journal.segment import OpenSegment
from tests.support.reading import may_not_write
from tests.support.records import raw_records

NOW = ManualClock()


def journal_of(directory: Path, records: int, marked: Mark) -> None:
    segment = OpenSegment.create(directory, 0, 0, 0)
    segment.append(b"", raw_records(0, records))
    segment.close()
    held = DurableMark(directory)
    held.set(marked)
    held.close()


def test_a_free_journal_is_complete_up_to_now_and_its_next_writer_begins_there(
    tmp_path: Path,
) -> None:
    journal_of(tmp_path, 3, Mark(3, 5))
    clock = ManualClock()
    clock.advance(60)
    assert complete_if_free(tmp_path, clock) == read_mark(tmp_path) == Mark(3, clock.now_us())
    clock.step(-3600)
    assert complete_if_free(tmp_path, clock) == Mark(3, clock.now_us() + 3_600_000_000)
    writer = JournalWriter(tmp_path, 0, clock, 1 << 20, 3600.0)
    assert writer.floor_us == clock.now_us() + 3_600_000_000
    writer.stop()


def test_a_journal_that_is_written_is_left_alone(tmp_path: Path) -> None:
    held = DurableMark(tmp_path)
    held.set(Mark(0, 5))
    assert complete_if_free(tmp_path, NOW) is None
    assert read_mark(tmp_path) == Mark(0, 5)
    held.close()


@pytest.mark.parametrize("torn", [b"", b"torn", bytes(72 * 5), raw_records(11, 2)])
def test_whole_records_past_the_mark_are_taken_in(tmp_path: Path, torn: bytes) -> None:
    """A writer that was killed between its sync and its mark left them; none was acknowledged."""
    journal_of(tmp_path, 10, Mark(4, 5))
    with segment_paths(tmp_path)[0].open("ab") as file:
        file.write(torn)
    completed = complete_if_free(tmp_path, NOW)
    assert completed is not None
    assert completed.records == 10
    assert JournalReader(tmp_path).read(0, 100)["sequence"].tolist() == list(range(10))


def test_a_mark_older_than_the_last_segment_is_brought_up(tmp_path: Path) -> None:
    journal_of(tmp_path, 10, Mark(4, 5))
    segment = OpenSegment.create(tmp_path, 0, 10, 0)
    segment.append(b"", raw_records(10, 3))
    segment.close()
    (tmp_path / f"{13:016d}.shares").write_bytes(b"KENCH")  # a crash came while it was made
    completed = complete_if_free(tmp_path, NOW)
    assert completed is not None
    assert completed.records == 13


def test_an_empty_folder_is_a_complete_journal(tmp_path: Path) -> None:
    assert complete_if_free(tmp_path, NOW) == Mark(0, NOW.now_us())


def test_a_journal_of_another_user_is_named(tmp_path: Path) -> None:
    (tmp_path / "durable").mkdir()
    with pytest.raises(JournalError, match="kench stratum"):
        complete_if_free(tmp_path, NOW)


def test_one_that_this_process_may_not_write_is_another_s_to_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal_of(tmp_path, 3, Mark(3, 5))
    may_not_write(monkeypatch)
    with pytest.raises(NotOursError, match="kench stratum"):
        complete_if_free(tmp_path, NOW)
    assert read_mark(tmp_path) == Mark(3, 5)


def test_time_passes_for_those_that_ended_here_and_for_no_others(
    tmp_path: Path,
) -> None:
    for name in ("0", "1", "2", "aside"):
        (tmp_path / name).mkdir()
        journal_of(tmp_path / name, 3, Mark(3, 5))
    write_remote(tmp_path / "2", RemoteMark(RemoteState.WRITTEN, 1), durably=False)
    (tmp_path / "3").mkdir()
    held = DurableMark(tmp_path / "1")
    Passing(tmp_path, NOW).look()
    held.close()
    assert read_mark(tmp_path / "0").watermark_us >= NOW.now_us()
    assert [read_mark(tmp_path / name) for name in ("1", "2", "aside")] == [Mark(3, 5)] * 3
    assert list((tmp_path / "3").iterdir()) == []
