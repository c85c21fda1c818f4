"""Reading journals for their numbers: segments, buckets, clocks."""

from pathlib import Path

import pytest

from kench.pool.journal import JournalCorruptError
from kench.stratum.statistics.gathering import BUCKET_S, Gathering
from kench.stratum.statistics.journals import OLDEST_S, PATIENCE_S, Journals
from kench.stratum.statistics.tail import JournalTail
from tests.support.share_journals import ShareJournal

NOW_S = 1_700_000_400 + BUCKET_S  # a bucket begins here


def test_a_tail_follows_its_journal_over_segments(tmp_path: Path) -> None:
    journal = ShareJournal(tmp_path)
    tail = JournalTail(journal.directory, 0)
    assert len(tail.read(9)) == 0
    journal.add([1, 2, 3], 1)
    assert tail.read(2)["sequence"].tolist() == [0, 1]
    journal.rotate()
    journal.add([4, 5], 1)
    assert tail.peek()["sequence"].tolist() == [2]
    assert tail.read(9)["sequence"].tolist() == [2]
    assert tail.read(9)["sequence"].tolist() == [3, 4]
    assert len(tail.read(9)) == 0
    tail.close()
    assert JournalTail(journal.directory, 4).read(9)["sequence"].tolist() == [4]


def test_a_tail_whose_segment_is_missing_says_what_to_restore(tmp_path: Path) -> None:
    journal = ShareJournal(tmp_path)
    journal.add([1, 2], 1)
    next(journal.directory.glob("*.shares")).unlink()
    with pytest.raises(JournalCorruptError, match="restore it"):
        JournalTail(journal.directory, 1).read(9)


def read_all(journals: Journals, gathering: Gathering, now_s: float) -> int:
    gathering.advance(now_s)
    while journals.read(gathering, now_s):
        pass
    return sum(one.accepted for one in gathering.credited())


def test_reading_stops_at_the_end_of_the_bucket_until_that_is_stored(tmp_path: Path) -> None:
    journal = ShareJournal(tmp_path)
    gathering = Gathering()
    journal.add([NOW_S - 2, NOW_S - 1, NOW_S, NOW_S + 1], 1)
    journals = Journals(tmp_path, {}, NOW_S + 2)
    assert journals.bucket_end_s == NOW_S
    assert read_all(journals, gathering, NOW_S + 2) == 2
    assert journals.bucket_is_over(NOW_S + 2)
    assert journals.positions() == ({0: 0}, {0: 2})
    journals.stored({0: 2})
    gathering.buckets.clear()
    journals.next_bucket(NOW_S + 2)
    assert journals.bucket_end_s == NOW_S + BUCKET_S
    assert read_all(journals, gathering, NOW_S + 2) == 2


def test_an_idle_journal_is_waited_for_only_so_long(tmp_path: Path) -> None:
    journal, idle = ShareJournal(tmp_path), ShareJournal(tmp_path, 1)
    journal.add([NOW_S - 1, NOW_S + 1], 1)
    idle.add([NOW_S - 1], 2)
    journals = Journals(tmp_path, {}, NOW_S + 1)
    read_all(journals, Gathering(), NOW_S + 1)
    assert not journals.bucket_is_over(NOW_S + 1)
    assert journals.bucket_is_over(NOW_S + PATIENCE_S + 1)


def test_records_from_a_clock_that_was_set_back_do_not_hold_anything_up(tmp_path: Path) -> None:
    journal = ShareJournal(tmp_path)
    journal.add([NOW_S + 10**7] * 3, 1)
    journals = Journals(tmp_path, {0: 0}, NOW_S + 1)
    assert read_all(journals, Gathering(), NOW_S + 1) == 3
    assert not journals.bucket_is_over(NOW_S + 1)


def test_a_journal_seen_for_the_first_time_is_counted_from_a_day_ago(tmp_path: Path) -> None:
    journal = ShareJournal(tmp_path)
    journal.add([NOW_S - 90_000, NOW_S - 80_000, NOW_S - 1], 1)
    journals = Journals(tmp_path, {}, NOW_S)
    assert journals.bucket_end_s == (NOW_S - 80_000) // BUCKET_S * BUCKET_S + BUCKET_S
    gathering = Gathering()
    for _ in range(3):
        read_all(journals, gathering, NOW_S)
        journals.next_bucket(NOW_S)
    assert [one.accepted for one in gathering.credited()] == [1, 1]


def test_records_older_than_any_partition_are_left_out(tmp_path: Path) -> None:
    journal = ShareJournal(tmp_path)
    journal.add([NOW_S - OLDEST_S - 9, NOW_S - 1], 1)
    journals = Journals(tmp_path, {0: 0}, NOW_S)
    gathering = Gathering()
    read_all(journals, gathering, NOW_S)
    journals.next_bucket(NOW_S)
    read_all(journals, gathering, NOW_S)
    assert [one.bucket_s for one in gathering.credited()] == [NOW_S - BUCKET_S]
    assert journals.left_out == 1


def test_a_journal_that_appears_is_followed(tmp_path: Path) -> None:
    gathering = Gathering()
    journals = Journals(tmp_path, {}, NOW_S)
    ShareJournal(tmp_path, 3).add([NOW_S], 1)
    journals.look(NOW_S)
    assert read_all(journals, gathering, NOW_S) == 1
