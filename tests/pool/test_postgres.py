"""Embedded PostgreSQL: one server a folder, whoever starts, stops or is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from kench.pool.database import check_schema, open_engine
from kench.pool.postgres import EmbeddedPostgres, database_url
from kench.pool.postgres_account import PostgresError, account_for
from kench.pool.postgres_cluster import SOCKET_NAME
from kench.pool.settings_file import read_settings

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it under another account")

HOLD = """
import sys
from pathlib import Path
from kench.pool.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print("at", server.start(), flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """The server of a folder where none has run yet."""
    opened = EmbeddedPostgres(tmp_path)
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def made_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a cluster, at rest."""
    place = tmp_path_factory.mktemp("made")
    opened = EmbeddedPostgres(place)
    opened.start()
    opened.stop()
    return place


@pytest.fixture
def server(tmp_path: Path, made_before: Path) -> Iterator[EmbeddedPostgres]:
    """The server of a folder where one has run before; a copy, owners and all, spares an initdb."""
    subprocess.run(["cp", "-a", str(made_before / "postgres"), str(tmp_path)], check=True)
    opened = EmbeddedPostgres(tmp_path)
    yield opened
    opened.stop()


def ask(url: str, statement: str) -> object:
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres/cluster/postmaster.pid").read_text().split()[0])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the process did not die"
        time.sleep(0.01)


def hold(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("at "):
            return line.split()[1]
    raise AssertionError("the process ended without a word")


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_it_starts_keeps_what_was_committed_and_syncs(
    tmp_path: Path, fresh: EmbeddedPostgres
) -> None:
    assert not fresh.exists
    assert not fresh.runs
    url = fresh.start()
    ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert ask(url, "SHOW fsync") == "on"
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SHOW listen_addresses") == ""
    fresh.stop()
    assert not fresh.runs
    assert ask(fresh.start(), "SELECT answer FROM kept") == 42
    assert EmbeddedPostgres(tmp_path).exists


def test_nobody_else_may_enter_the_folder_of_the_socket(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    server.start()
    assert list((tmp_path / "postgres/cluster").glob(".s.PGSQL.*"))
    assert (tmp_path / "postgres/cluster").stat().st_mode & 0o077 == 0


def test_the_last_user_stops_it_and_nobody_before(tmp_path: Path, server: EmbeddedPostgres) -> None:
    url = server.start()
    pid = postmaster(tmp_path)
    passing = EmbeddedPostgres(tmp_path)
    assert passing.start() == url
    passing.stop()
    assert server.runs
    passing.start()
    server.stop()
    assert passing.runs
    assert postmaster(tmp_path) == pid
    passing.stop()
    assert not passing.runs


def test_processes_that_start_it_at_once_share_one_server(tmp_path: Path) -> None:
    users = [hold(tmp_path) for _ in range(4)]
    urls = {said(user) for user in users}
    assert len(urls) == 1
    url = urls.pop()
    for user in users[:-1]:
        finish(user)
        assert ask(url, "SELECT 1") == 1
    finish(users[-1])
    assert not EmbeddedPostgres(tmp_path).runs


def test_after_a_kill_of_its_user_it_runs_on_and_the_next_user_attaches(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    user = hold(tmp_path)
    url = said(user)
    pid = postmaster(tmp_path)
    user.kill()
    user.communicate(timeout=10)
    assert ask(url, "SELECT 1") == 1
    server.start()
    assert postmaster(tmp_path) == pid
    server.stop()
    assert not server.runs


def test_a_killed_server_comes_back_with_all_that_was_committed(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    url = server.start()
    ask(url, "CREATE TABLE kept (number integer)")
    for number in range(20):
        ask(url, f"INSERT INTO kept VALUES ({number})")
    kill(postmaster(tmp_path))
    assert not server.runs
    assert ask(server.start(), "SELECT count(*) FROM kept") == 20


def test_stopping_a_server_that_was_killed_is_no_fault(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    server.start()
    kill(postmaster(tmp_path))
    server.stop()
    assert not server.runs


def test_a_pid_file_that_names_a_stranger_does_not_keep_it_from_starting(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    server.start()
    kill(postmaster(tmp_path))
    pid_file = tmp_path / "postgres/cluster/postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not server.runs
    assert ask(server.start(), "SELECT 1") == 1


def test_a_lock_of_the_socket_that_names_a_stranger_does_not_keep_it_from_starting(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    server.start()
    kill(postmaster(tmp_path))
    lock = tmp_path / "postgres/cluster" / f"{SOCKET_NAME}.lock"
    account = account_for(tmp_path / "postgres/cluster")
    # Of the server's own account: that of others it takes for dead by itself.
    stranger = subprocess.Popen(["sleep", "60"], user=account and account.uid)
    try:
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert ask(server.start(), "SELECT 1") == 1
    finally:
        stranger.kill()
        stranger.wait()


def test_an_initdb_killed_half_way_leaves_no_half_cluster(
    tmp_path: Path, fresh: EmbeddedPostgres
) -> None:
    draft = tmp_path / "postgres/cluster.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    assert ask(fresh.start(), "SELECT 1") == 1
    assert not draft.exists()


@pytest.mark.parametrize(
    "name", ["a" * 120, "blank and 'quote\" and , and % and $HOME", "Кенч"], ids=str.__len__
)
def test_folders_of_any_name_and_length_will_do(tmp_path: Path, name: str) -> None:
    server = EmbeddedPostgres(tmp_path / name)
    try:
        url = server.start()
        assert ask(url, "SELECT 1") == 1
        other = EmbeddedPostgres(tmp_path / name)
        assert other.start() == url
        other.stop()
    finally:
        server.stop()
    assert not server.runs


def test_a_socket_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 120)
    server = EmbeddedPostgres(long)
    url = server.start()
    folder = Path(str(psycopg2.extensions.parse_dsn(url)["host"]))
    server.stop()
    assert not folder.exists()
    folder.mkdir()
    folder.chmod(0o777)
    try:
        with pytest.raises(PostgresError, match="shorter --data"):
            server.start()
    finally:
        folder.rmdir()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PostgresError, match="--data") as caught:
        EmbeddedPostgres(tmp_path / "file").start()
    assert "\n" not in str(caught.value)


def test_a_cluster_of_another_version_is_refused_and_left_alone(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    version = tmp_path / "postgres/cluster/PG_VERSION"
    version.write_text("11\n")
    with pytest.raises(PostgresError, match=r"PostgreSQL 11 .*pg_upgrade"):
        server.start()
    assert version.read_text() == "11\n"


def test_a_server_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    with (tmp_path / "postgres/cluster/postgresql.conf").open("a") as file:
        file.write("max_wal_senders = many\n")
    with pytest.raises(PostgresError, match="max_wal_senders") as caught:
        server.start()
    assert "\n" not in str(caught.value)
    assert not server.runs


@ROOT_ONLY
def test_closed_folders_above_are_opened_for_search_and_for_nothing_more(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data")
    try:
        assert ask(server.start(), "SELECT 1") == 1
        assert closed.stat().st_mode & 0o777 == 0o701
        assert (closed / "data/postgres/cluster").stat().st_uid != 0
    finally:
        server.stop()


def test_a_short_user_spares_a_server_that_others_are_still_connected_to(
    server: EmbeddedPostgres,
) -> None:
    left_behind = psycopg2.connect(server.start())
    server.stop(spare_clients=True)
    assert server.runs
    left_behind.close()
    server.start()
    server.stop(spare_clients=True)
    assert not server.runs


def test_one_who_waits_too_long_for_his_turn_is_told_so(tmp_path: Path) -> None:
    held = EmbeddedPostgres(tmp_path)
    (tmp_path / "postgres").mkdir()
    waiting = EmbeddedPostgres(tmp_path, start_timeout_s=0.2)
    with held._steps(1), pytest.raises(PostgresError, match="starting or stopping"):
        waiting.start()


def test_a_short_command_gets_the_url_of_the_settings_as_it_is(tmp_path: Path) -> None:
    url = "postgresql://kench:secret@db.example/kench"
    with database_url(read_settings(data_dir=tmp_path, database_url=url)) as given:
        assert given == url
    assert list(tmp_path.iterdir()) == []


def test_a_short_command_makes_no_pool_by_mistake(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path / "typo")
    with pytest.raises(PostgresError, match=r"kench up --data .*typo"), database_url(settings):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_short_command_starts_migrates_and_stops_what_did_not_run(tmp_path: Path) -> None:
    with database_url(read_settings(data_dir=tmp_path), make=True) as url:
        engine = open_engine(url, application_name="test")
        check_schema(engine)
        engine.dispose()
    assert not EmbeddedPostgres(tmp_path).runs


def test_short_commands_in_a_row_never_stop_what_kench_up_runs(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    settings = read_settings(data_dir=tmp_path)
    faults: list[BaseException] = []

    def pass_by() -> None:
        try:
            for _ in range(3):
                with database_url(settings, make=True) as url:
                    assert ask(url, "SELECT 1") == 1
        except Exception as error:  # noqa: BLE001 - handed to the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=pass_by) for _ in range(3)]
    for thread in threads:
        thread.start()
    url = server.start()
    pid = postmaster(tmp_path)
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert postmaster(tmp_path) == pid
    assert ask(url, "SELECT 1") == 1
