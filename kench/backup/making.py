"""Making a backup: the database first, then the journals, so that these are never behind it."""

import contextlib
import errno
import fcntl
import os
import platform
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from kench import __version__
from kench.backup.archive import ArchiveWriter, Signer
from kench.backup.configuration import settings_path, settings_without_secrets, trust_files
from kench.backup.dumping import BASE, DUMP, Source, dumped
from kench.backup.errors import BackupError
from kench.backup.journals import CopiedJournal, add_blocks, add_journals
from kench.backup.sealing import Sealer
from kench.backup.totals import read_totals
from kench.pool.clock import Clock
from kench.pool.durable import sync_directory
from kench.pool.moments import moment_text
from kench.pool.settings import Settings
from kench.pool.shipping.generation import GENERATION_NAME

Progress = Callable[[str, int], None]
"""Told which part is copied, and how many bytes were so far."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backup is made of, and for whom."""

    settings: Settings
    source: Source
    recipients: list[str]
    """Flags of openssl (`sealing.recipient_flags`)."""
    signer: Signer | None = None
    evidence_key: Path | None = None
    """The evidence key's file, where it is to be in the backup too."""
    config: str | None = None
    """Where the settings file is, if not in the data folder."""


class Made(NamedTuple):
    """A finished backup."""

    path: Path
    size: int
    parts: int
    backup_id: str


def make_backup(plan: Plan, target: Path, clock: Clock, progress: Progress) -> Made:
    """Write a backup of a pool that runs or rests. Raises BackupError; there is no file then."""
    partial = target.with_name(target.name + ".partial")
    if target.exists():
        raise BackupError(f"{target} is there already: name another file by --to")
    try:
        with _new_file(partial) as file:
            sealer = Sealer(plan.settings.backup_openssl, plan.recipients, file)
            archive = ArchiveWriter(cast("BinaryIO", sealer))
            backup_id = secrets.token_hex(16)
            try:
                facts = _fill(archive, plan, clock, progress)
                archive.close({"kench_backup": 1, "id": backup_id} | facts, plan.signer)
                sealer.finish()
            except BaseException:
                archive.abandon()
                sealer.abandon()
                raise
            file.flush()
            os.fsync(file.fileno())
            _give_name(partial, target)
        sync_directory(target.parent)
    except FileExistsError as error:
        raise BackupError(f"{target} is there already: name another file by --to") from error
    except OSError as error:
        raise BackupError(
            f"the backup cannot be written ({error.strerror}: {error.filename or target}): make "
            "room, or name another file by --to"
        ) from error
    return Made(target, target.stat().st_size, len(archive.parts), backup_id)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that nobody else writes, for as long as it has this name.

    What a backup left that was killed is begun anew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its writer may have ended, and given it its name, since it was opened here.
            is_ours = path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            raise BackupError(
                f"{path} is written by another backup: wait for it, or name another file by --to"
            )
        try:
            file.truncate()
            yield file
        finally:
            path.unlink(missing_ok=True)


def _give_name(partial: Path, target: Path) -> None:
    """Give a finished file its name; it never takes another file's place."""
    try:
        os.link(partial, target)
    except OSError as error:
        # Disks that go from machine to machine often know no second name of a file.
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP}:
            raise
        if target.exists():
            raise FileExistsError from error
        partial.rename(target)


def _fill(
    archive: ArchiveWriter, plan: Plan, clock: Clock, progress: Progress
) -> dict[str, object]:
    began_us = clock.now_us()
    settings = plan.settings
    before = read_totals(plan.source.url, "kench backup")
    _copy_database(archive, plan.source, progress)
    after = read_totals(plan.source.url, "kench backup")
    copied: dict[int, CopiedJournal] = {}
    for what in add_journals(archive, settings.data_dir / "journal", copied):
        progress(what, archive.written)
    blocks = add_blocks(archive, settings.blocks_directory)
    _copy_configuration(archive, plan)
    progress("manifest", archive.written)
    return {
        "began": moment_text(began_us // 1_000_000 * 1_000_000),
        "ended": moment_text(clock.now_us() // 1_000_000 * 1_000_000),
        "kench": __version__,
        "machine": platform.node(),
        "database": BASE if plan.source.embedded else DUMP,
        "before": before.as_object(),
        "after": after.as_object(),
        "journals": {str(number): one._asdict() for number, one in copied.items()},
        "blocks": blocks,
        "evidence_key": plan.evidence_key is not None,
    }


def _copy_database(archive: ArchiveWriter, source: Source, progress: Progress) -> None:
    name = "database/base.tar" if source.embedded else "database/kench.dump"
    with dumped(source) as stream:
        sizes: Iterator[int] = archive.add_stream(stream, name)
        for _ in sizes:
            progress("database", archive.written)


def _copy_configuration(archive: ArchiveWriter, plan: Plan) -> None:
    config = settings_without_secrets(settings_path(plan.settings, plan.config))
    if config is not None:
        archive.add_bytes("kench.toml", config)
    for name, content in trust_files(plan.settings):
        archive.add_bytes(name, content)
    generation = plan.settings.data_dir / GENERATION_NAME
    if generation.exists():
        archive.add_bytes(GENERATION_NAME, generation.read_bytes())
    if plan.evidence_key is not None:
        try:
            archive.add_bytes("evidence.pem", plan.evidence_key.read_bytes())
        except OSError as error:
            raise BackupError(
                f"the evidence key {plan.evidence_key} cannot be read ({error.strerror})"
            ) from error
