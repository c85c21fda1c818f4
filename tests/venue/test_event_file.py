"""What the venue remembers: whole lines only, one writer, and no more after a fault."""

import os
from pathlib import Path

import pytest

from kench.venue.event_file import EventFile, EventFileError


def _open(path: Path) -> tuple[EventFile, list[dict[str, object]]]:
    file = EventFile(path)
    return file, list(file.read())


def test_events_come_back_and_a_line_that_was_never_finished_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "venue" / "events.jsonl"
    file, events = _open(path)
    assert events == []
    file.append({"n": 1})
    file.append({"n": 2})
    file.close()
    with path.open("ab") as torn:
        torn.write(b'{"n": 3')
    file, events = _open(path)
    assert events == [{"n": 1}, {"n": 2}]
    file.append({"n": 4})
    file.close()
    file, events = _open(path)
    assert events == [{"n": 1}, {"n": 2}, {"n": 4}]
    file.close()


def test_a_line_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n"; 2}\n{"n": 3}\n')
    file = EventFile(path)
    with pytest.raises(EventFileError, match="line 2"):
        list(file.read())
    file.close()


def test_one_venue_at_a_time_has_it(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = EventFile(path)
    with pytest.raises(EventFileError, match="another"):
        EventFile(path)
    file.close()


def test_after_a_fault_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    file, _ = _open(path)

    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(EventFileError, match="Input/output"):
            file.append({"n": 1})
    with pytest.raises(EventFileError, match="failed before"):
        file.append({"n": 2})
    file.close()
    file, events = _open(path)
    assert {"n": 2} not in events
    file.close()
