"""A place in a journal is found by time, among what is durable."""

from pathlib import Path

import pytest

from kench.pool.journal import JournalCorruptError
from kench.pool.journal.format import segment_paths
from kench.pool.journal.search import sequence_at
from tests.support.share_journals import ShareJournal


def test_a_place_is_found_by_time_over_segments(tmp_path: Path) -> None:
    journal = ShareJournal(tmp_path)
    assert sequence_at(journal.directory, 0) == 0
    journal.add([10, 20], 1)
    journal.rotate()
    journal.add([30, 30, 40], 1)
    places = [sequence_at(journal.directory, second * 1_000_000) for second in (0, 20, 21, 30, 41)]
    assert places == [0, 1, 2, 2, 5]


def test_no_journal_begins_at_nothing(tmp_path: Path) -> None:
    assert sequence_at(tmp_path / "none", 5) == 0


def test_a_journal_whose_oldest_segments_were_taken_away_begins_with_the_next(
    tmp_path: Path,
) -> None:
    journal = ShareJournal(tmp_path)
    journal.add([10, 20], 1)
    journal.rotate()
    journal.add([30], 1)
    segment_paths(journal.directory)[0].unlink()
    assert sequence_at(journal.directory, 0) == 2


@pytest.mark.parametrize("cut", ["removed", "shortened"])
def test_durable_records_that_are_missing_are_told_of(tmp_path: Path, cut: str) -> None:
    journal = ShareJournal(tmp_path)
    journal.add([10, 20], 1)
    (segment,) = segment_paths(journal.directory)
    if cut == "removed":
        segment.unlink()
    else:
        segment.write_bytes(segment.read_bytes()[:70])
    with pytest.raises(JournalCorruptError, match="restore it"):
        sequence_at(journal.directory, 15_000_000)
