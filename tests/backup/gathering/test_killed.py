"""An archive that is killed between any two steps does the rest again, to the same effect."""

from pathlib import Path

import pytest

from kench.backup.gathering.consuming import Archive
from kench.backup.gathering.gathered import GatheredJournal
from kench.native import RECORD_SIZE
from kench.pool.journal import JournalReader
from kench.pool.journal.mark import DurableMark, read_mark
from kench.pool.journal.segment import OpenSegment
from tests.backup.gathering.conftest import Keep, Start
from tests.support.stream_pool import files_of, gather_until, gathered_as


class Killed(BaseException):
    """The process ended here."""


STEPS = {
    "fetched": (Archive, "fetch", True),
    "one taken": (GatheredJournal, "take", True),
    "segment closed": (OpenSegment, "seal", True),
    "segment begun": (GatheredJournal, "_open", True),
    "before it is written": (OpenSegment, "append", False),
    "written": (OpenSegment, "append", True),
    "marked": (DurableMark, "set", True),
    "committed": (GatheredJournal, "commit", True),
    "before it is acknowledged": (Archive, "acknowledge", False),
    "acknowledged": (Archive, "acknowledge", True),
}


@pytest.mark.parametrize("step", STEPS, ids=[one.replace(" ", "-") for one in STEPS])
def test_killed_at_any_step_nothing_is_missing_and_nothing_twice(
    begun: Start, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr("kench.backup.gathering.consuming.REDELIVER_S", 0.1)
    front = begun(segment_bytes=64 + 10 * RECORD_SIZE)
    for key in range(1, 4):
        front.write(7, key)
    owner, name, is_after = STEPS[step]
    kept = getattr(owner, name)

    def last(*given: object) -> None:
        monkeypatch.setattr(owner, name, kept)
        if is_after:
            kept(*given)
        raise Killed

    gatherer = keep()
    monkeypatch.setattr(owner, name, last)
    with pytest.raises(Killed):
        gather_until(gatherer, lambda: False)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    again = keep()
    gather_until(again, gathered_as(here, there))
    front.write(7, 4)
    gather_until(again, gathered_as(here, there))
    assert files_of(there) == files_of(here)
    assert len(JournalReader(there).read_span(0, 28)) == 28


def test_a_half_written_record_of_a_killed_archive_is_written_anew(
    begun: Start, keep: Keep, tmp_path: Path
) -> None:
    front = begun(records=5)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gatherer = keep()
    gather_until(gatherer, gathered_as(here, there))
    gatherer.close()
    with next(there.glob("*.shares")).open("ab") as file:
        file.write(b"\x01" * 100)
    front.write(5, 2)
    gather_until(gatherer, gathered_as(here, there))
    assert files_of(there) == files_of(here)


def test_two_archives_each_have_all(begun: Start, keep: Keep, tmp_path: Path) -> None:
    begun(records=5)
    here = tmp_path / "front/journal/0"
    for folder in ("centre", "other"):
        gather_until(keep(folder), gathered_as(here, tmp_path / folder / "journal/0"))
        assert files_of(tmp_path / folder / "journal/0") == files_of(here)


def test_on_a_full_disk_nothing_is_acknowledged_to_the_stream(
    begun: Start, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.backup.gathering.consuming.REDELIVER_S", 0.1)
    begun(records=5)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gatherer = keep()
    kept = OpenSegment.append

    def full(segment: OpenSegment, job_lines: bytes, records: bytes) -> None:
        kept(segment, job_lines, records[:RECORD_SIZE])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OpenSegment, "append", full)
    with pytest.raises(OSError, match="No space"):
        gather_until(gatherer, lambda: False)
    assert read_mark(there).records == 0
    monkeypatch.setattr(OpenSegment, "append", kept)
    gather_until(gatherer, gathered_as(here, there))
    assert files_of(there) == files_of(here)
