"""`kench participant`, `status` and `migrate` as people and programs run them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from kench.commands.participant import (
    ParticipantError,
    add_token,
    change_state,
    list_tokens,
    revoke,
)
from kench.pool.database import check_schema, open_engine
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.register import add_participant
from kench.pool.tokens import token_digest

KENCH = [sys.executable, "-m", "kench"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(database: str) -> Run:
    """Run a command on the test's own database."""

    def run_command(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return kench(*words, KENCH_DATABASE_URL=database, **variables)

    return run_command


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an embedded database of its own."""
    return tmp_path_factory.mktemp("data")


def kench(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KENCH, *words],
        env={**os.environ, "PYTHONWARNINGS": "error", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def fault(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command says."""
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def answer(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_add_prints_id_and_token_as_json_and_the_token_opens_the_entry(
    run: Run, database: str
) -> None:
    added = json.loads(answer(run("participant", "add", "ОсОО Кен", "--json")))
    assert set(added) == {"id", "token"}
    assert added["id"] == 1
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sha256 FROM participants"
            " JOIN participant_tokens ON participants.id = participant_id"
        )
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    assert row[0] == "ОсОО Кен"
    assert bytes(row[1]) == token_digest(added["token"])


def test_add_tells_people_how_to_connect(run: Run, tmp_path: Path) -> None:
    said = answer(
        run("participant", "add", "x", "--data", str(tmp_path), KENCH_STRATUM_PORT="3456")
    )
    assert "stratum+tcp://127.0.0.1:3456" in said
    assert "1.rig1" in said


def test_an_operator_makes_lists_and_revokes_tokens_one_by_one(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        add_participant(connection, "x")
        said = add_token(connection, "1", " Нарын ")
        assert re.match(r"[0-9a-f]{32}\n", said)
        first, second = json.loads(list_tokens(connection, "1", as_json=True))[::-1]
        assert (first["label"], second["label"]) == ("first", "Нарын")
        assert revoke(connection, "1", "1") == "token 1 of participant 1 is revoked"
        listed = list_tokens(connection, "1", as_json=False)
        assert said.split()[0] not in listed
        assert "Нарын" in listed
        for words in (("1", "1"), ("1", "3"), ("2", "2")):
            with pytest.raises(ParticipantError, match="kench participant tokens"):
                revoke(connection, *words)
        with pytest.raises(ParticipantError, match="60 characters"):
            add_token(connection, "1", " ")
        with pytest.raises(ParticipantError, match="no participant 2"):
            add_token(connection, "2", "x")


def test_a_participant_is_suspended_resumed_removed_and_listed(run: Run) -> None:
    answer(run("participant", "add", "x"))
    for action, state in (("suspend", "suspended"), ("resume", "active"), ("remove", "removed")):
        assert state in answer(run("participant", action, "1"))
    assert "removed already" in answer(run("participant", "remove", "1"))
    (entry,) = json.loads(answer(run("participant", "list", "--json")))
    assert (entry["id"], entry["state"], entry["workers"]) == (1, "removed", 0)
    assert "enter a new one" in fault(run("participant", "resume", "1"))
    assert "removed" in answer(run("participant", "list"))


@pytest.mark.parametrize("id_", ["7", "0", "-7", "x", "1.rig", "99999999999999", "１", ""])
def test_an_id_that_nobody_has_is_refused(engine: sa.Engine, id_: str) -> None:
    with engine.begin() as connection, pytest.raises(ParticipantError, match="participant list"):
        change_state(connection, "suspend", id_)


def test_an_id_that_nobody_has_is_one_line(run: Run) -> None:
    assert "kench participant list" in fault(run("participant", "suspend", "7"))


def test_a_name_with_nothing_to_see_is_one_line(run: Run) -> None:
    assert "another NAME" in fault(run("participant", "add", " \t"))


def test_status_json_is_the_object_of_the_contract(run: Run, tmp_path: Path) -> None:
    answer(run("participant", "add", "x"))
    status = json.loads(answer(run("status", "--json", "--data", str(tmp_path))))
    assert {
        "network", "height", "tip", "participants", "shares", "blocks", "ledger", "journal",
    } <= set(status)  # fmt: skip
    (entry,) = status["participants"]
    assert {
        "id": 1, "workers": 0, "accepted": 0, "refused": 0,
        "work_hashes": "0", "pending_sat": 0, "mature_sat": 0, "due_tyiyn": 0,
    }.items() <= entry.items()  # fmt: skip
    assert status["shares"] == {"accepted": 0, "refused": {}}
    assert status["ledger"] == {"balanced": True, "transfers": 0}
    assert set(status["journal"]) == {"records", "durable_lag_ms"}


def test_status_for_people_shows_the_participants_whole(run: Run, tmp_path: Path) -> None:
    name = "Участник с очень длинным именем, которое должно быть видно"
    answer(run("participant", "add", name))
    said = answer(run("status", "--data", str(tmp_path)))
    assert name in said
    assert "no stratum server runs" in said


def test_a_database_that_is_away_is_one_line_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://kench:hunter2@127.0.0.1:1/kench"
    for words in (("status",), ("participant", "list"), ("migrate",)):
        said = fault(kench(*words, "--data", str(tmp_path), KENCH_DATABASE_URL=url))
        assert "KENCH_DATABASE_URL" in said
        assert "hunter2" not in said


def test_a_folder_without_a_pool_is_one_line_and_stays_as_it_was(tmp_path: Path) -> None:
    for words in (("status",), ("participant", "list"), ("participant", "suspend", "1")):
        assert "kench up --data" in fault(kench(*words, "--data", str(tmp_path / "typo")))
    assert list(tmp_path.iterdir()) == []


def test_without_a_running_pool_the_embedded_database_runs_for_the_command_only(
    data_dir: Path,
) -> None:
    place = ("--data", str(data_dir))
    added = kench("participant", *place, "add", "x", "--json")
    assert json.loads(answer(added))["id"] == 1
    assert json.loads(answer(kench("status", *place, "--json")))["participants"][0]["id"] == 1
    assert not EmbeddedPostgres(data_dir).runs


def test_beside_a_running_pool_the_embedded_database_is_shared_and_left_running(
    data_dir: Path,
) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    try:
        answer(kench("participant", "add", "y", "--data", str(data_dir)))
        assert server.runs
    finally:
        server.stop()
    assert not server.runs


def test_migrate_makes_the_schema_and_a_second_time_changes_nothing(
    run: Run, database: str
) -> None:
    engine = open_engine(database, application_name="test")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    assert "kench migrate" in fault(run("participant", "list"))
    first = answer(run("migrate"))
    assert first == answer(run("migrate"))
    check_schema(engine)
    engine.dispose()


@pytest.mark.parametrize("words", [("status",), ("migrate",), ("participant", "add")])
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    said = answer(kench(*words, "--help"))
    assert f"example:\n  kench {' '.join(words)}" in said
