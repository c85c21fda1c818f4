"""What two folders of one pool have in common, and what only one has."""

import json
from pathlib import Path

import pytest

from kench.backup.errors import RestoreError
from kench.backup.standby.comparing import as_json, compare
from kench.backup.standby.promoting import _leave_gap
from kench.pool.clock import SystemClock
from kench.pool.journal.format import segment_paths
from kench.pool.journal.mark import read_mark
from tests.backup.test_shipping import Machine, WhenAway
from tests.support.share_journals import ShareJournal


def written(data: Path, *batches: tuple[int, int], segment_bytes: int = 1 << 30) -> Path:
    """A journal of batches, each of so many records on a job."""
    machine = Machine(data, "127.0.0.1:1", when_away=WhenAway.SERVE, segment_bytes=segment_bytes)
    for count, key in batches:
        machine.write(count, key)
    machine.stop()
    return data


def test_folders_that_are_the_same_differ_in_nothing(tmp_path: Path) -> None:
    for name in ("here", "there"):
        written(tmp_path / name, (5, 1), (5, 2))
    found = compare(tmp_path / "here", tmp_path / "there")
    assert not found.differs
    assert found.journals[0] == (0, 10, None, None, [])


def test_closed_segments_are_compared_by_digest_and_the_rest_by_share(tmp_path: Path) -> None:
    small = 64 + 10 * 72
    written(tmp_path / "here", (8, 1), (8, 2), (8, 3), segment_bytes=small)
    written(tmp_path / "there", (8, 1), (8, 2), (8, 3), (4, 4), segment_bytes=small)
    (journal,) = compare(tmp_path / "here", tmp_path / "there").journals
    assert journal.same == 24
    assert journal.here is None
    assert journal.there is not None
    assert journal.there[:4] == (4, 4, 24, 27)


def test_what_is_booked_and_missing_here_is_told_beside_what_there_is_there(
    tmp_path: Path,
) -> None:
    here, there = written(tmp_path / "here", (10, 1)), written(tmp_path / "there", (10, 1), (6, 2))
    _leave_gap(here / "journal/0", 0, read_mark(here / "journal/0"), 14, SystemClock())
    (there / "blocks/0").mkdir(parents=True)
    (there / "blocks/0/00000123-abcd.json").write_text('{"found_us": 1700000000000000}')
    # Long before: its share is in both journals.
    (there / "blocks/0/00000001-ef01.json").write_text('{"found_us": 1600000000000000}')
    found = compare(here, there)
    assert found.blocks == ["00000123-abcd"]
    (journal,) = found.journals
    assert (journal.same, journal.missing) == (10, [(10, 13)])
    assert journal.there is not None
    assert journal.there[:4] == (6, 6, 10, 15)
    assert json.loads(json.dumps(as_json(found)))["journals"][0]["missing"] == [[10, 13]]


def test_what_cannot_be_believed_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "here/journal").mkdir(parents=True)
    (tmp_path / "there/journal").mkdir(parents=True)
    journal = ShareJournal(tmp_path / "there/journal")
    journal.add([1.0, 2.0], 1, participant=3)
    journal.close()
    found = compare(tmp_path / "here", tmp_path / "there")
    # Their checksums are not worth looking at: what cannot be believed is not counted.
    assert found.journals[0].there is None
    with pytest.raises(RestoreError, match="has no journals"):
        compare(tmp_path / "here", tmp_path / "nobody")
    path = segment_paths(written(tmp_path / "torn", (4, 1)) / "journal/0")[0]
    path.write_bytes(path.read_bytes()[:-10])
    (torn,) = compare(tmp_path / "here", tmp_path / "torn").journals
    assert torn.there is not None
    assert torn.there.shares == 3
