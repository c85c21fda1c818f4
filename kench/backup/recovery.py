"""Recovering a base backup up to a moment, with the WAL that was archived since."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kench.backup.errors import RestoreError
from kench.pool.moments import moment_of, moment_text

SEGMENT_BYTES = 16 * 1024 * 1024
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_START = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)
_LOGS_PER_ID = 256
_OWN_LINES = "# from here on written by kench restore\n"


class Recovery(NamedTuple):
    """Up to when, and from where; without a moment up to the end of the archive."""

    archive: Path
    until_us: int | None = None


def prepare(cluster: Path, recovery: Recovery) -> int:
    """Lay archived WAL into a cluster that was just unpacked; return how many segments.

    Raises RestoreError where one is missing in between.
    """
    label = _START.search((cluster / "backup_label").read_text())
    if label is None:
        raise RestoreError("the base backup does not say where its WAL begins: take another backup")
    first = label[1]
    found = {
        path.name.removesuffix(".partial"): path
        for path in sorted(recovery.archive.iterdir(), reverse=True)
        if _SEGMENT.fullmatch(path.name.removesuffix(".partial"))
    }
    wal = cluster / "pg_wal"
    there = {path.name for path in wal.iterdir() if _SEGMENT.fullmatch(path.name)}
    names = sorted(name for name in found.keys() | there if name[8:] >= first[8:])
    _check_unbroken(first, names, recovery.archive)
    # What the backup has of its own is whole: a backup ends with its segment.
    taken = {
        name: path
        for name, path in found.items()
        if name in names and (path.name == name or name not in there)
    }
    _check_whole(taken, there)
    for name, path in taken.items():
        _copy_whole(path, wal / name)
    for history in recovery.archive.glob("*.history"):
        shutil.copyfile(history, wal / history.name)
    (cluster / "recovery.signal").touch(mode=0o600)
    lines = [_OWN_LINES, "restore_command = 'false'\n", "recovery_target_action = 'promote'\n"]
    if recovery.until_us is not None:
        lines.append(f"recovery_target_time = '{moment_of(recovery.until_us).isoformat()}'\n")
    with (cluster / "postgresql.auto.conf").open("a") as file:
        file.writelines(lines)
    return len(names)


def forget(cluster: Path) -> None:
    """Take away what only the recovery needed."""
    path = cluster / "postgresql.auto.conf"
    path.write_text(path.read_text().partition(_OWN_LINES)[0])


def words(recovery: Recovery) -> str:
    """Say up to when."""
    if recovery.until_us is None:
        return "the end of the WAL archive"
    return moment_text(recovery.until_us)


def _check_unbroken(first: str, names: list[str], archive: Path) -> None:
    """Each segment of a time line must follow the one before."""
    held = {name[8:] for name in names}
    if not held:
        raise RestoreError(f"{archive} has no WAL from {first} on: name another folder by --wal")
    missing = [name for name in _between(first[8:], max(held)) if name not in held]
    if missing:
        raise RestoreError(
            f"{archive} has a gap: {len(missing)} segments of WAL from {first[:8]}{missing[0]} on "
            "are missing; find them, take a later backup, or restore this one without --wal"
        )


def _check_whole(taken: Mapping[str, Path], there: set[str]) -> None:
    """Only what was written last may be a part: PostgreSQL takes its end for the end of all."""
    whole = {name[8:] for name in there | {name for name in taken if taken[name].name == name}}
    last = max(name[8:] for name in taken.keys() | there)
    for name, path in sorted(taken.items()):
        is_cut = path.name == name and path.stat().st_size != SEGMENT_BYTES
        is_part = path.name != name and name[8:] != last and name[8:] not in whole
        if is_cut or is_part:
            raise RestoreError(
                f"{path} is no whole segment of WAL, and must be one where it was not written "
                "last: find it, take a later backup, or restore this one without --wal"
            )


def _between(first: str, last: str) -> Iterator[str]:
    low, high = (int(one[:8], 16) * _LOGS_PER_ID + int(one[8:], 16) for one in (first, last))
    for number in range(low, high + 1):
        yield f"{number // _LOGS_PER_ID:08X}{number % _LOGS_PER_ID:08X}"


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a segment; one that is still being written is filled up to its size."""
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        file.truncate(SEGMENT_BYTES)
    target.chmod(0o600)
