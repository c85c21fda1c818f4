"""Restoring a backup: unpacked beside the place where it goes, checked, then given its name."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import psycopg2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kench.backup.archive import SIGNED, Unpacked, unpack
from kench.backup.dumping import BASE, environment
from kench.backup.errors import BackupDamagedError, RestoreError
from kench.backup.journals import journal_folders, take_journals
from kench.backup.recovery import Recovery, forget, prepare, words
from kench.backup.sealing import Opener
from kench.backup.totals import Totals, check_behind, check_between, read_totals
from kench.pool.clock import SystemClock
from kench.pool.database import Role
from kench.pool.database_url import libpq_url
from kench.pool.durable import sync_directory
from kench.pool.journal.mark import read_mark
from kench.pool.moments import us_of
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import (
    PostgresError,
    account_for,
    processes_in,
    wheel_binaries,
)

RECOVERY_S = 3600.0
POSTGRES_STOP_S = 10.0
LEFT_NAMES = frozenset({
    "journal", "blocks", "postgres", "database", "run", "trust", "kench.toml", "generation",
    "evidence.pem",
})  # fmt: skip
"""What a restore makes in its folder; another name says that the folder is somebody else's."""
POLL_S = 0.1
FOLDER_MODE = 0o750
_DATABASE = "CREATE ROLE {} NOLOGIN"


@dataclass(frozen=True, slots=True)
class Order:
    """What to restore, with which key, and to where."""

    path: Path
    key: Path
    data: Path
    openssl: Path
    key_words: Path | None = None
    """Private file with the words that protect the key's file."""
    signer: bytes | None = None
    """Evidence key that must have signed; None: any, and none."""
    recovery: Recovery | None = None
    journal: Path | None = None
    """Folder of newer journals that are taken in place of those in the backup."""
    postgres_bin: Path | None = None
    durable: bool = True
    """Whether the new folder is to outlive a power cut."""


class Restored(NamedTuple):
    """What was restored."""

    facts: dict[str, Any]
    signer: bytes | None
    totals: Totals
    journals: dict[int, int]
    """Shares of each journal."""


def restore(order: Order, say: Callable[[str], None]) -> Restored:
    """Restore into a folder that is empty or not there. Raises RestoreError, and leaves nothing."""
    data = order.data.expanduser().resolve()
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise RestoreError(f"{data} is not empty: name a new folder by --data")
    draft = data.with_name(data.name + ".restoring")
    lock = _own(draft, say)
    try:
        restored = _restore(order, draft, say)
        if order.durable:
            os.sync()
        if data.exists():
            data.rmdir()
        draft.rename(data)
        if order.durable:
            sync_directory(data.parent)
    except OSError as error:
        raise RestoreError(
            f"the backup cannot be unpacked ({error.strerror}: {error.filename or draft}): make "
            "room there, or name a folder on another disk"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)
    return restored


def _own(draft: Path, say: Callable[[str], None]) -> int:
    """Make the folder that is worked in, and hold it; what a killed restore left is removed."""
    try:
        draft.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RestoreError(f"{draft} cannot be made ({error.strerror})") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = {path.name for path in draft.iterdir()}
        if left - LEFT_NAMES:
            raise RestoreError(f"{draft} is no folder of a restore: move it away")
        if left:
            say(f"removing what a restore that was cut off left in {draft}")
            _end_server(draft / "postgres" / "cluster")
            for name in left:
                path = draft / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        os.close(lock)
        raise RestoreError(f"another restore works in {draft}: let it end") from error
    except BaseException:
        os.close(lock)
        raise
    return lock


def _end_server(cluster: Path) -> None:
    """End a server that a killed restore left; what it works on is thrown away."""
    deadline = time.monotonic() + POSTGRES_STOP_S
    while (pids := list(processes_in(cluster))) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_S)


def _restore(order: Order, draft: Path, say: Callable[[str], None]) -> Restored:
    say("opening and unpacking")
    with Opener(order.openssl, order.path, order.key, order.key_words) as source:
        unpacked = unpack(cast("BinaryIO", source), draft)
    _check_signature(unpacked, order.signer)
    _check_moment(unpacked, order.recovery)
    if order.journal is not None:
        take_journals(order.journal, draft / "journal", SystemClock())
    if unpacked.facts["database"] == BASE:
        _unpack_cluster(draft, order.recovery, say)
    elif order.recovery is not None:
        raise RestoreError("this backup is a dump, which has no WAL: leave --wal and --until away")
    say("starting the database")
    totals = _look(order, draft, unpacked)
    journals = {
        int(folder.name): read_mark(folder).records for folder in journal_folders(draft / "journal")
    }
    check_behind(totals, journals)
    return Restored(unpacked.facts, unpacked.public, totals, journals)


def _check_signature(unpacked: Unpacked, wanted: bytes | None) -> None:
    if unpacked.public is not None and unpacked.signature is not None:
        try:
            key = Ed25519PublicKey.from_public_bytes(unpacked.public)
            key.verify(unpacked.signature, SIGNED + unpacked.content)
        except (InvalidSignature, ValueError):
            raise BackupDamagedError("the manifest's signature is not of its key") from None
    if wanted is not None and unpacked.public != wanted:
        raise BackupDamagedError(
            "the backup is not signed by the evidence key that --signer names: do not use it"
        )


def _check_moment(unpacked: Unpacked, recovery: Recovery | None) -> None:
    """A backup leads to moments after it alone."""
    if recovery is None or recovery.until_us is None:
        return
    began = str(unpacked.facts["began"])
    try:
        began_us = us_of(datetime.fromisoformat(began))
    except (ValueError, TypeError) as error:
        raise BackupDamagedError(f"the manifest says {began!r} for a moment") from error
    if recovery.until_us < began_us:
        raise RestoreError(
            f"this backup was begun at {began}: to go back to {words(recovery)} take one that was "
            "finished before it"
        )


def _unpack_cluster(draft: Path, recovery: Recovery | None, say: Callable[[str], None]) -> None:
    tar, home = draft / "database" / "base.tar", draft / "postgres"
    cluster = home / "cluster"
    cluster.mkdir(parents=True)
    try:
        with tarfile.open(tar) as base:
            base.extractall(cluster, filter="data")
    except (tarfile.TarError, FileNotFoundError) as error:
        raise BackupDamagedError(f"the database in it cannot be unpacked ({error})") from error
    shutil.rmtree(tar.parent)
    for left in (*cluster.glob(".s.PGSQL.*"), *cluster.glob("postmaster.*")):
        left.unlink()  # they are of the server that was copied, which may run
    if recovery is not None:
        say(f"recovering up to {words(recovery)}")
        prepare(cluster, recovery)
    cluster.chmod(0o700)
    account = account_for(cluster)
    if account is not None:
        for path in [cluster, *cluster.rglob("*")]:
            os.chown(path, account.uid, account.gid)


def _look(order: Order, draft: Path, unpacked: Unpacked) -> Totals:
    """Start the restored database once and read what its books come to."""
    server = EmbeddedPostgres(draft, stop_timeout_s=60.0)
    try:
        url = server.start()
    except PostgresError as error:
        if order.recovery is None:
            raise
        raise RestoreError(
            f"recovery up to {words(order.recovery)} failed: {error}; the WAL archive may end "
            f"before, or that moment be before {unpacked.facts['ended']}, when this backup was "
            "finished"
        ) from error
    try:
        if unpacked.facts["database"] == BASE:
            _await_recovered(url)
            if order.recovery is not None:
                forget(draft / "postgres" / "cluster")
        else:
            load_dump(url, draft / "database" / "kench.dump", order.postgres_bin)
            shutil.rmtree(draft / "database")
        totals = read_totals(url, "kench restore")
        after = Totals.of_object(unpacked.facts["after"]) if order.recovery is None else None
        check_between(Totals.of_object(unpacked.facts["before"]), totals, after)
    finally:
        server.stop()
    return totals


def load_dump(url: str, dump: Path, binaries: Path | None) -> None:
    """Load a dump into an empty database, whose server gets our roles. Raises RestoreError."""
    connection = psycopg2.connect(libpq_url(url), connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles")
            there = {row[0] for row in cursor.fetchall()}
            for role in Role:
                if role.value not in there:
                    cursor.execute(_DATABASE.format(role.value))
    finally:
        connection.close()
    told = environment(url)
    done = subprocess.run(  # noqa: S603 - our own words, no shell
        [
            str((binaries or wheel_binaries()) / "pg_restore"), "--exit-on-error", "--no-owner",
            "--single-transaction", f"--dbname={told['PGDATABASE']}", str(dump),
        ],
        env=told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[:1]
        raise RestoreError(f"pg_restore failed: {last[0] if last else 'it said nothing'}")


def _await_recovered(url: str) -> None:
    """Wait until the server has left recovery and takes writes."""
    deadline = time.monotonic() + RECOVERY_S
    connection = psycopg2.connect(libpq_url(url), connect_timeout=10)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_is_in_recovery()")
                row = cursor.fetchone()
                if row is not None and not row[0]:
                    return
                if time.monotonic() > deadline:
                    raise RestoreError(f"the database did not recover in {RECOVERY_S:.0f} s")
                time.sleep(POLL_S)
    except psycopg2.Error as error:
        raise RestoreError(
            f"the database ended while it recovered ({str(error).strip().splitlines()[0]}): the "
            "WAL archive may end before that moment; name an earlier one by --until"
        ) from error
    finally:
        connection.close()
