"""What the standby does with journals that end before the books do."""

from pathlib import Path

import pytest

from kench.backup.standby.promoting import _take_over
from kench.backup.totals import Totals
from kench.pool.clock import SystemClock
from kench.pool.journal import Batch, JournalCorruptError, JournalReader, JournalWriter
from kench.pool.journal.format import digest_path
from kench.pool.journal.mark import read_mark
from tests.support.records import archived_job, raw_records


def test_shares_that_only_the_books_have_are_told_and_never_booked_twice(tmp_path: Path) -> None:
    folder = tmp_path / "journal/0"
    writer = JournalWriter(folder, 0, SystemClock(), 1 << 30, 3600)
    writer.start(lambda _batch: None, lambda _error: None, lambda _fault: None)
    writer.hand_over(Batch([archived_job()], raw_records(0, 10), 10, 1))
    writer.stop()
    books = Totals("0001", {0: 14}, 0, 0, 14)
    taken = _take_over(tmp_path, folder, books, SystemClock())
    assert (taken.records, taken.lost) == (10, 4)
    # Whoever writes here goes on after what was booked; what is missing stays missing by number.
    assert read_mark(folder).records == 14
    assert digest_path(folder / "0000000000000000.shares").exists()
    again = JournalWriter(folder, 0, SystemClock(), 1 << 30, 3600)
    assert again.next_sequence == 14
    again.stop()
    assert len(JournalReader(folder).read(0, 10)) == 10
    with pytest.raises(JournalCorruptError, match="ends before share 13"):
        JournalReader(folder).read(0, 100)


def test_a_journal_that_has_all_that_the_books_have_goes_on_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "journal/0"
    writer = JournalWriter(folder, 0, SystemClock(), 1 << 30, 3600)
    writer.start(lambda _batch: None, lambda _error: None, lambda _fault: None)
    writer.hand_over(Batch([archived_job()], raw_records(0, 10), 10, 1))
    writer.stop()
    taken = _take_over(tmp_path, folder, Totals("0001", {0: 7}, 0, 0, 7), SystemClock())
    assert (taken.records, taken.lost) == (10, 0)
    assert len(list(folder.glob("*.shares"))) == 1
