"""A backup of a pool at work, restored: the same books, the same journals, and to a moment."""

import contextlib
import fcntl
import os
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kench.backup.archiving import Receiving, prepare_archive
from kench.backup.checking import VerdictError, check_backup
from kench.backup.dumping import Source
from kench.backup.errors import BackupDamagedError, BackupError, RestoreError
from kench.backup.making import Plan, make_backup
from kench.backup.recovery import Recovery
from kench.backup.restoring import Order, restore
from kench.backup.sealing import recipient_flags
from kench.backup.totals import Totals, check_behind, check_between
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.settle import Settlement
from kench.pool.clock import SystemClock
from kench.pool.database import migrate, open_engine
from kench.pool.journal.mark import read_mark
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.settings import Settings
from tests.payouts.journals import JournalBuilder
from tests.support.waiting import await_that

OPENSSL = Path("/usr/bin/openssl")
CONFIG = 'bank_holder = "ОсОО Кен"\nnode_urls = ["http://user:word@127.0.0.1:1"]\nban_s = 60\n'


@dataclass
class Pool:
    """A data folder whose database runs, and the authority that its backups are for."""

    data: Path
    url: str
    journal: JournalBuilder
    key: Path
    certificate: Path
    signer: EvidenceKey

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.data)

    def settle(self) -> None:
        engine = open_engine(self.url, application_name="test")
        settlement = Settlement(self.journal.directory.parent, SystemClock())
        with engine.connect() as connection:
            while settlement.settle_chunk(connection).records:
                pass
        engine.dispose()

    def back_up(self, target: Path, **more: Any) -> Path:
        recipients = recipient_flags([self.certificate], SystemClock().now_us())
        plan = Plan(self.settings, Source(self.url, embedded=True), recipients, self.signer)
        make_backup(replace(plan, **more), target, SystemClock(), lambda _what, _done: None)
        return target

    def order(self, path: Path, data: Path, **more: Any) -> Order:
        # Nobody pulls this machine's plug while a test runs.
        return replace(Order(path, self.key, data, OPENSSL, durable=False), **more)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    folder = tmp_path_factory.mktemp("pool")
    data = folder / "data"
    builder = JournalBuilder(data / "journal" / "0")
    job = builder.job(1, 1)
    for index in range(20):
        builder.share(job, participant=1 + index % 3)
    builder.share(job, block=True)
    builder.flush()
    (data / "blocks/0").mkdir(parents=True)
    (data / "blocks/0/00000001-ab.json").write_text("{}")
    (data / "kench.toml").write_text(CONFIG)
    (data / "kench.toml").chmod(0o600)
    signer = EvidenceKey.make(data / "evidence.pem")
    key, certificate = folder / "authority.key", folder / "authority.pem"
    subprocess.run(
        [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=authority",
         "-days", "2", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = EmbeddedPostgres(data)
    url = server.start()
    try:
        migrate(url)
        found = Pool(data, url, builder, key, certificate, signer)
        found.settle()
        yield found
    finally:
        server.stop()


@pytest.fixture(scope="module")
def backup(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backup")
    # What a backup left that was killed is begun anew.
    (folder / "kench.backup.partial").write_bytes(b"half" * 10_000_000)
    path = pool.back_up(folder / "kench.backup")
    assert list(folder.iterdir()) == [path]
    return path


def quiet(_words: str) -> None:
    pass


def test_what_is_restored_is_what_was_backed_up(pool: Pool, backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "again"
    restored = restore(pool.order(backup, data, signer=pool.signer.public), quiet)
    assert restored.totals.positions == {0: 21}
    assert restored.journals == {0: 21}
    for path in (pool.data / "journal/0").iterdir():
        assert (data / "journal/0" / path.name).read_bytes() == path.read_bytes(), path.name
    assert read_mark(data / "journal/0") == read_mark(pool.data / "journal/0")
    assert (data / "blocks/0/00000001-ab.json").read_text() == "{}"
    assert not list(tmp_path.glob("*.restoring"))
    # Neither keys nor secrets came along.
    assert not (data / "evidence.pem").exists()
    assert tomllib.loads((data / "kench.toml").read_text()) == {
        "bank_holder": "ОсОО Кен",
        "ban_s": 60,
    }


def test_books_that_do_not_hold_are_told(pool: Pool, tmp_path: Path) -> None:
    engine = open_engine(pool.url, application_name="test")

    def change(more: int) -> None:
        with engine.begin() as connection:
            # As an owner can who puts the triggers to sleep.
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.execute(sa.text("UPDATE transfers SET amount = amount + :n"), {"n": more})

    change(1)
    try:
        path = pool.back_up(tmp_path / "wrong.backup")
    finally:
        change(-1)
        engine.dispose()
    # The audit ran on what was restored, and found this and nothing else.
    with pytest.raises(VerdictError, match=r"kench audit.*: 5 differences \("):
        check_backup(pool.order(path, pool.data), None, None, quiet)


def test_books_ahead_of_the_journals_are_refused() -> None:
    books = Totals("0001", {0: 21, 1: 5}, 3, 100, 26)
    check_behind(books, {0: 21, 1: 7})
    with pytest.raises(RestoreError, match="journal 1 by 2 shares"):
        check_behind(books, {0: 30, 1: 3})


def test_books_of_another_time_are_refused() -> None:
    before, after = Totals("1", {0: 5}, 3, 9, 5), Totals("1", {0: 9}, 4, 12, 9)
    check_between(before, Totals("1", {0: 7}, 3, 9, 7), after)
    for wrong in (
        Totals("1", {0: 4}, 3, 9, 7),
        Totals("1", {0: 7}, 5, 9, 7),
        Totals("1", {}, 3, 9, 7),
    ):
        with pytest.raises(RestoreError, match="not what was backed up"):
            check_between(before, wrong, after)


def test_a_dump_of_another_server_is_restored_into_the_embedded_one(
    pool: Pool, tmp_path: Path
) -> None:
    source = Source(pool.url, embedded=False)
    path = pool.back_up(tmp_path / "dump.backup", source=source, evidence_key=None)
    restored = restore(pool.order(path, tmp_path / "again"), quiet)
    assert restored.totals.positions == {0: 21}
    assert restored.totals.transfers == 3


def test_nothing_is_restored_over_anything_or_from_strangers(
    pool: Pool, backup: Path, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(RestoreError, match="not empty"):
        restore(pool.order(backup, tmp_path / "full"), quiet)
    with pytest.raises(BackupDamagedError, match="not signed by"):
        restore(pool.order(backup, tmp_path / "new", signer=bytes(32)), quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    # What a restore that was killed left goes; what is somebody's own stays.
    left = tmp_path / "new.restoring"
    (left / "journal/0").mkdir(parents=True)
    said: list[str] = []
    with pytest.raises(BackupDamagedError, match="not signed by"):
        restore(pool.order(backup, tmp_path / "new", signer=bytes(32)), said.append)
    assert said[0].startswith("removing what a restore that was cut off left")
    assert not left.exists()
    (left / "pictures").mkdir(parents=True)
    with pytest.raises(RestoreError, match="is no folder of a restore"):
        restore(pool.order(backup, tmp_path / "new"), quiet)
    (left / "pictures").rmdir()
    held = os.open(left, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(RestoreError, match="another restore works in"):
        restore(pool.order(backup, tmp_path / "new"), quiet)
    os.close(held)
    with pytest.raises(BackupError, match="there already"):
        pool.back_up(backup)
    partial = tmp_path / "new.partial"
    with partial.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="written by another backup"):
            pool.back_up(tmp_path / "new")


def rows(url: str, statement: str) -> list[str]:
    """What a statement says, run by itself."""
    engine = open_engine(url, application_name="test")
    try:
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [str(row[0]) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


@contextlib.contextmanager
def killed_at_the_end(receiving: Receiving) -> Iterator["subprocess.Popen[bytes]"]:
    """Archive, until killed; whatever else goes wrong it does not stay."""
    with subprocess.Popen(receiving.argv, env=receiving.environment) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_moment_between_two_backups_is_restored_from_the_wal_archive(
    pool: Pool, tmp_path: Path
) -> None:
    archive = tmp_path / "wal"
    receiving = prepare_archive(pool.url, archive, None, SystemClock())
    with killed_at_the_end(receiving) as process:
        path = pool.back_up(tmp_path / "base.backup")
        rows(pool.url, "CREATE TABLE moments (name text)")
        rows(pool.url, "INSERT INTO moments VALUES ('before')")
        (moment,) = rows(pool.url, "SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint")
        rows(pool.url, "SELECT pg_switch_wal()")
        rows(pool.url, "INSERT INTO moments VALUES ('after')")
        (end,) = rows(pool.url, "SELECT pg_current_wal_flush_lsn()")
        kept = f"SELECT bool_and(flush_lsn >= '{end}') FROM pg_stat_replication"
        await_that(lambda: rows(pool.url, kept) == ["True"])
        # As a kill of `kench up` ends it: what is in the folder must do.
        process.kill()
    data = tmp_path / "then"
    recovery = Recovery(archive, int(moment))
    restored = restore(pool.order(path, data, recovery=recovery), quiet)
    assert restored.totals.positions == {0: 21}
    server = EmbeddedPostgres(data)
    assert rows(server.start(), "SELECT name FROM moments") == ["before"]
    server.stop()
    rows(pool.url, "DROP TABLE moments")
    early = Recovery(archive, 1_700_000_000_000_000)
    with pytest.raises(
        RestoreError, match=r"this backup was begun at .*: to go back to 2023-11-15"
    ):
        restore(pool.order(path, tmp_path / "early", recovery=early), quiet)
    # A gap is told, not passed over.
    segments = sorted(archive.glob("????????????????????????"))
    assert len(segments) >= 2
    segments[-1].unlink()
    with pytest.raises(RestoreError, match="has a gap: 1 segments"):
        restore(pool.order(path, tmp_path / "gap", recovery=recovery), quiet)
