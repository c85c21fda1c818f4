"""Which segments of WAL a recovery takes, and which gaps between them it tells."""

from pathlib import Path

import pytest

from kench.backup.errors import RestoreError
from kench.backup.recovery import SEGMENT_BYTES, Recovery, prepare

LABEL = "START WAL LOCATION: 0/5000028 (file 000000010000000000000005)\n"


def segment(folder: Path, number: int, suffix: str = "", size: int = SEGMENT_BYTES) -> Path:
    """A file of that length in which nothing is written."""
    path = folder / f"0000000100000000{number:08X}{suffix}"
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A base backup that has the fifth and sixth segment of its own."""
    folder = tmp_path / "cluster"
    (folder / "pg_wal").mkdir(parents=True)
    (folder / "backup_label").write_text(LABEL)
    for number in (5, 6):
        segment(folder / "pg_wal", number)
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "wal"
    folder.mkdir()
    for number in (4, 5, 7):
        segment(folder, number)
    return folder


def test_all_from_the_backup_on_is_taken_and_the_last_may_be_a_part(
    cluster: Path, archive: Path
) -> None:
    segment(archive, 8, ".partial")
    assert prepare(cluster, Recovery(archive)) == 4
    names = sorted(path.name[-1] for path in (cluster / "pg_wal").iterdir())
    assert names == ["5", "6", "7", "8"]


def test_what_the_backup_has_whole_is_not_replaced_by_a_part(cluster: Path, archive: Path) -> None:
    own = cluster / "pg_wal" / segment(archive, 6, ".partial").stem
    own.write_bytes(b"x" * SEGMENT_BYTES)
    prepare(cluster, Recovery(archive))
    assert own.read_bytes()[:1] == b"x"


def test_what_ends_before_the_next_begins_is_told_and_not_taken_for_the_end(
    cluster: Path, archive: Path
) -> None:
    segment(archive, 9)
    for suffix, size in ((".partial", SEGMENT_BYTES), ("", SEGMENT_BYTES - 1)):
        broken = segment(archive, 8, suffix, size)
        with pytest.raises(RestoreError, match=f"{broken.name} is no whole segment"):
            prepare(cluster, Recovery(archive))
        broken.unlink()
    with pytest.raises(RestoreError, match="has a gap: 1 segments"):
        prepare(cluster, Recovery(archive))
