"""Journals of a dead machine, taken in place of those in a backup."""

import shutil
from pathlib import Path

import pytest

from kench.backup.journals import take_journals
from kench.pool.clock import ManualClock
from kench.pool.journal.format import DURABLE_NAME, segment_paths
from kench.pool.journal.mark import Mark, read_mark
from tests.payouts.journals import JournalBuilder

CLOCK = ManualClock(2_000_000_000_000_000)


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """The journals of a machine with twenty shares; its mark was written, and not synced."""
    builder = JournalBuilder(tmp_path / "dead/0")
    job = builder.job(1, 1)
    for _ in range(20):
        builder.share(job)
    builder.flush()
    return tmp_path / "dead"


@pytest.fixture
def root(dead: Path, tmp_path: Path) -> Path:
    """What a backup had of them: all as yet, so that only the files can say what is newer."""
    shutil.copytree(dead, tmp_path / "root")
    return tmp_path / "root"


@pytest.mark.parametrize("mark", [Mark(3, 5).pack(), b"", b"x" * 24])
def test_shares_that_the_mark_does_not_tell_of_are_taken(
    dead: Path, root: Path, mark: bytes
) -> None:
    (dead / "0" / DURABLE_NAME).write_bytes(mark)
    for path in segment_paths(root / "0"):
        path.unlink()
    (root / "0" / DURABLE_NAME).write_bytes(Mark(10, 5).pack())
    take_journals(dead, root, CLOCK)
    assert read_mark(root / "0").records == 20
    assert len(segment_paths(root / "0")) == 1
    assert [path.name for path in root.iterdir()] == ["0"]


def test_journals_with_fewer_shares_are_not_taken(dead: Path, root: Path) -> None:
    (root / "0" / DURABLE_NAME).write_bytes(Mark(21, 5).pack())
    take_journals(dead, root, CLOCK)
    assert read_mark(root / "0").records == 21
    assert [path.name for path in root.iterdir()] == ["0"]


def test_what_is_taken_is_left_as_it_was(dead: Path, root: Path) -> None:
    (dead / "0" / DURABLE_NAME).write_bytes(Mark(3, 5).pack())
    take_journals(dead, root, CLOCK)
    assert read_mark(dead / "0") == Mark(3, 5)
