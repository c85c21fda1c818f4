"""What one server brings late, not, or otherwise than the others is taken from the leader."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kench.backup.gathering.consuming import Archive
from kench.native import RECORD_SIZE
from tests.backup.gathering.conftest import Keep, Start
from tests.support.stream_pool import files_of, gather_until, gathered_as

Fetched = list[tuple[int, str, bytes]]


def fetching(monkeypatch: pytest.MonkeyPatch, change: Callable[[Fetched], Fetched]) -> None:
    """Have what every fetch brings changed on its way."""
    kept = Archive.fetch

    def fetch(archive: Archive) -> Fetched:
        return change(kept(archive))

    monkeypatch.setattr(Archive, "fetch", fetch)
    # What a consumer does not bring at once is not waited for.
    monkeypatch.setattr("kench.backup.gathering.consuming.REDELIVER_S", 60.0)


def test_messages_that_a_consumer_leaves_out_come_from_the_leader(
    begun: Start, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Archive, "acknowledge", lambda *_: None)
    fetching(monkeypatch, lambda fetched: fetched[-1:])
    front = begun(segment_bytes=64 + 10 * RECORD_SIZE)
    for key in range(1, 6):
        front.write(7, key)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gather_until(keep(), gathered_as(here, there))
    assert files_of(there) == files_of(here)


def test_a_copy_that_has_another_message_under_a_number_holds_nothing_up(
    begun: Start, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(fetched: Fetched) -> Fetched:
        """Bring each message a second time in the place of the next: what that was is lost."""
        changed = list(fetched)
        for at in range(1, len(changed), 2):
            changed[at] = (changed[at][0], *changed[at - 1][1:])
        return changed

    front = begun(segment_bytes=64 + 10 * RECORD_SIZE)
    for key in range(1, 11):
        front.write(7, key)
    fetching(monkeypatch, twice)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gatherer = keep()
    gather_until(gatherer, lambda: gatherer.journals.get(0, 0) >= 50)
    monkeypatch.undo()
    front.write(7, 11)
    gather_until(gatherer, gathered_as(here, there))
    assert files_of(there) == files_of(here)
