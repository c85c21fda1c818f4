"""The journals of shares and of blocks as a backup takes them, while their writers write."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kench.backup.archive import ArchiveWriter
from kench.native import RECORD_SIZE
from kench.pool.clock import Clock
from kench.pool.journal.completion import complete_if_free
from kench.pool.journal.format import (
    DURABLE_NAME,
    HEADER_SIZE,
    digest_path,
    first_sequence_of,
    jobs_path,
    segment_paths,
)
from kench.pool.journal.mark import Mark, read_mark
from kench.pool.journal.remote import REMOTE_NAME


class CopiedJournal(NamedTuple):
    """How far a journal was copied."""

    records: int
    watermark_us: int


def journal_folders(root: Path) -> list[Path]:
    """Return the folders of all fronts' journals, by number."""
    if not root.is_dir():
        return []
    return sorted(
        (one for one in root.iterdir() if one.name.isdecimal()), key=lambda one: int(one.name)
    )


def add_journals(
    archive: ArchiveWriter, root: Path, copied: dict[int, CopiedJournal]
) -> Iterator[str]:
    """Add all journals up to their marks; say which file comes next.

    What is durable never changes, so a copy up to the mark is whole though its writer goes on.
    """
    for folder in journal_folders(root):
        # Before the mark: what it says of the stream is in the files that are copied.
        remote = folder / REMOTE_NAME
        told = remote.read_bytes() if remote.exists() else None
        mark = read_mark(folder)
        name = f"journal/{folder.name}"
        for path in segment_paths(folder):
            first = first_sequence_of(path)
            if first > mark.records or path.stat().st_size < HEADER_SIZE:
                break
            yield f"{name}/{path.name}"
            _add_segment(archive, path, name, mark.records - first)
        for torn in sorted(folder.glob("*.torn")):
            archive.add_file(torn, f"{name}/{torn.name}")
        archive.add_bytes(f"{name}/{DURABLE_NAME}", Mark(*mark).pack())
        if told is not None:
            archive.add_bytes(f"{name}/{REMOTE_NAME}", told)
        copied[int(folder.name)] = CopiedJournal(mark.records, mark.watermark_us)


def _add_segment(archive: ArchiveWriter, path: Path, name: str, records: int) -> None:
    # The size is asked after the mark was read: a share's job is on disk before it.
    whole = path.stat().st_size
    size = min(whole, HEADER_SIZE + records * RECORD_SIZE)
    jobs = jobs_path(path)
    if jobs.exists():
        archive.add_file(jobs, f"{name}/{jobs.name}", _whole_lines(jobs))
    archive.add_file(path, f"{name}/{path.name}", size)
    digest = digest_path(path)
    if size == whole and digest.exists():
        archive.add_file(digest, f"{name}/{digest.name}")


def _whole_lines(path: Path) -> int:
    """Return the length of a job archive up to its last whole line."""
    size, step = path.stat().st_size, 65_536
    with path.open("rb") as file:
        end = size
        while end:
            start = max(0, end - step)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            end = start
    return 0


def take_journals(source: Path, root: Path, clock: Clock) -> None:
    """Take journals in place of those below `root` that have no more shares than they.

    A machine that lost its power has shares that its mark does not tell of: what is in the files
    counts. What a writer at work adds meanwhile is not taken, or taken whole.
    """
    for folder in journal_folders(source):
        target, taken = root / folder.name, root / f"{folder.name}.taken"
        before = read_mark(folder)
        shutil.copytree(folder, taken)
        (taken / DURABLE_NAME).write_bytes(before.pack())
        mark = complete_if_free(taken, clock)
        if mark is None or mark.records < read_mark(target).records:
            shutil.rmtree(taken)
            continue
        shutil.rmtree(target, ignore_errors=True)
        taken.rename(target)


def add_blocks(archive: ArchiveWriter, root: Path) -> int:
    """Add the journal of found blocks, outcomes before blocks; return how many blocks.

    A file that goes or is renamed meanwhile is there under its next name, or of no block any more.
    """
    count = 0
    if not root.is_dir():
        return 0
    # A block whose `.open` is renamed between the two looks is taken up again, which does no harm.
    for path in sorted(root.rglob("*")):
        if path.suffix not in {".json", ".open", ".settled"}:
            continue
        try:
            archive.add_bytes(f"blocks/{path.relative_to(root).as_posix()}", path.read_bytes())
        except FileNotFoundError:
            continue
        count += path.suffix == ".json"
    return count
