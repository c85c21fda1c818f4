"""Schema and connections: migrating, versions, least privilege, bounds."""

import threading

import psycopg2.errors
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from kench.pool.database import (
    DatabaseRefusedError,
    DatabaseUnavailableError,
    MigrationFailedError,
    Role,
    SchemaMismatchError,
    check_schema,
    head_revision,
    migrate,
    one_transaction,
    open_engine,
    upgrade,
)
from kench.pool.database_url import DatabaseUrlError, safe_url

HASH = b"\x00" * 32


def set_revision(engine: sa.Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :r"), {"r": revision})


def test_migrating_an_empty_database_and_migrating_again_gives_the_newest_schema(
    empty_database: str,
) -> None:
    migrate(empty_database)
    migrate(empty_database)
    engine = open_engine(empty_database, application_name="test")
    check_schema(engine)
    engine.dispose()


def test_processes_that_migrate_at_once_take_turns(empty_database: str) -> None:
    faults: list[BaseException] = []

    def run() -> None:
        try:
            migrate(empty_database)
        except Exception as error:  # noqa: BLE001 - handed to the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []


def test_a_migration_that_breaks_leaves_nothing_behind(empty_database: str) -> None:
    engine = open_engine(empty_database, application_name="test")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE front_ends (in_the_way integer)"))
    with pytest.raises(MigrationFailedError, match="KENCH_DATABASE_URL"):
        migrate(empty_database)
    assert sa.inspect(engine).get_table_names() == ["front_ends"]
    engine.dispose()


def test_open_rounds_of_several_journals_become_one_round(empty_database: str) -> None:
    engine = open_engine(empty_database, application_name="test")
    with engine.begin() as connection:
        upgrade(connection, "0002")
        connection.execute(
            sa.text(
                "INSERT INTO open_round VALUES (0, 1, 5), (0, 2, 7), (3, 1, 11);"
                "INSERT INTO journal_positions VALUES (0, 9, 77), (3, 4, 88)"
            )
        )
    migrate(empty_database)
    with engine.connect() as connection:
        rounds = connection.execute(sa.text("SELECT * FROM open_round ORDER BY 1")).all()
        positions = connection.execute(sa.text("SELECT * FROM journal_positions ORDER BY 1")).all()
    engine.dispose()
    assert [tuple(map(int, row)) for row in rounds] == [(1, 16), (2, 7)]
    assert [tuple(row)[:5] for row in positions] == [(0, 9, 77, 0, 0), (3, 4, 88, 0, 0)]


def test_a_schema_of_a_newer_kench_is_refused_by_migrate_and_by_check(
    database: str, engine: sa.Engine
) -> None:
    set_revision(engine, "9999")
    with pytest.raises(SchemaMismatchError, match=r"9999.*install the newer version"):
        migrate(database)
    with pytest.raises(SchemaMismatchError, match=r"9999.*install the newer version"):
        check_schema(engine)


def test_a_database_without_schema_is_refused_with_the_command_that_mends_it(
    empty_database: str,
) -> None:
    engine = open_engine(empty_database, application_name="test")
    with pytest.raises(SchemaMismatchError, match=rf"\(none\).*{head_revision()}.*kench migrate"):
        check_schema(engine)
    engine.dispose()


def test_a_server_that_does_not_answer_is_one_line_without_the_password() -> None:
    url = "postgresql://kench:hunter2@127.0.0.1:1/kench"
    with pytest.raises(DatabaseUnavailableError) as caught:
        migrate(url)
    message = str(caught.value)
    assert "KENCH_DATABASE_URL" in message
    assert "hunter2" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("role", "advice"), [(None, "try again"), (Role.READ, "the schema's owner")]
)
def test_what_postgresql_refuses_is_not_told_as_if_it_did_not_answer(
    database: str, engine: sa.Engine, role: Role | None, advice: str
) -> None:
    add = sa.text("INSERT INTO officers (pin, name, duty, added_at) VALUES ('3', 'a', 'b', now())")
    with (
        pytest.raises(DatabaseRefusedError, match=f"nothing was changed.*{advice}") as caught,
        one_transaction(database, role, application_name="test") as connection,
    ):
        connection.execute(add)
    assert "INSERT" not in str(caught.value)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM officers")).scalar() == 0


def test_a_malformed_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        open_engine("postgresql:/hunter2", application_name="test")
    assert "hunter2" not in str(caught.value)


def test_safe_url_hides_the_password() -> None:
    assert safe_url("postgresql://a:hunter2@h:5/n") == "postgresql://a:***@h:5/n"


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_check_the_schema(database: str, role: Role) -> None:
    engine = open_engine(database, role, application_name="test")
    check_schema(engine)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT current_user")).scalar_one() == role.value
    engine.dispose()


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (Role.STRATUM, "INSERT INTO participants (name) SELECT 'x' WHERE :h = ''"),
        (Role.STRATUM, "UPDATE participants SET state = 'active' WHERE :h IS NULL"),
        (Role.STRATUM, "INSERT INTO participant_tokens (sha256) VALUES (:h)"),
        (Role.STRATUM, "UPDATE participant_tokens SET revoked_at = NULL WHERE sha256 = :h"),
        (Role.STRATUM, "DELETE FROM workers WHERE :h IS NULL"),
        (Role.SETTLE, "SELECT id FROM participant_tokens WHERE :h IS NULL"),
        (Role.SETTLE, "INSERT INTO workers (participant_id, name) SELECT 1, 'x' WHERE :h = ''"),
        (Role.READ, "SELECT id FROM participant_tokens WHERE sha256 = :h"),
        (Role.CABINET, "SELECT id FROM participant_tokens WHERE sha256 = :h"),
        (Role.CABINET, "SELECT * FROM participant_tokens WHERE :h IS NULL"),
        (Role.CABINET, "UPDATE participant_tokens SET sha256 = :h"),
        (Role.CABINET, "UPDATE participant_tokens SET used_at = now() WHERE :h IS NULL"),
        (Role.CABINET, "DELETE FROM participant_tokens WHERE :h IS NULL"),
        (
            Role.CABINET,
            "INSERT INTO participants (name, state) SELECT 'x', 'removed' WHERE :h = ''",
        ),
        (Role.READ, "DELETE FROM refusals WHERE :h IS NULL"),
        (Role.READ, "UPDATE front_ends SET instance = 1 WHERE :h IS NULL"),
    ],
)
def test_a_role_may_not_do_what_it_has_no_need_for(
    database: str, role: Role, statement: str
) -> None:
    engine = open_engine(database, role, application_name="test")
    with engine.connect() as connection, pytest.raises(ProgrammingError) as caught:
        connection.execute(sa.text(statement), {"h": HASH})
    assert isinstance(caught.value.orig, psycopg2.errors.InsufficientPrivilege)
    engine.dispose()


def test_removal_is_final_for_any_writer(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO participants (name) VALUES ('x')"))
        connection.execute(sa.text("UPDATE participants SET state = 'removed'"))
    with engine.connect() as connection, pytest.raises(DBAPIError, match="removal is final"):
        connection.execute(sa.text("UPDATE participants SET state = 'active'"))


def test_what_a_statement_was_given_is_in_no_fault(engine: sa.Engine) -> None:
    with pytest.raises(DBAPIError) as told, engine.begin() as connection:
        connection.execute(sa.text("SELECT 1 / :none, :pin"), {"none": 0, "pin": "21507198500123"})
    assert "21507198500123" not in str(told.value)


def test_a_statement_that_takes_too_long_is_cut_off(database: str) -> None:
    engine = open_engine(database, application_name="test", statement_timeout_s=0.05)
    with engine.connect() as connection, pytest.raises(OperationalError) as caught:
        connection.execute(sa.text("SELECT pg_sleep(20)"))
    assert isinstance(caught.value.orig, psycopg2.errors.QueryCanceled)
    engine.dispose()


def test_a_wait_for_a_lock_has_a_bound(database: str, engine: sa.Engine) -> None:
    impatient = open_engine(database, application_name="test", lock_timeout_s=0.05)
    with engine.begin() as holder, impatient.connect() as waiter:
        holder.execute(sa.text("LOCK TABLE participants"))
        with pytest.raises(OperationalError) as caught:
            waiter.execute(sa.text("SELECT count(*) FROM participants"))
    assert isinstance(caught.value.orig, psycopg2.errors.LockNotAvailable)
    impatient.dispose()


def test_a_ledger_of_one_asset_goes_on_in_two(empty_database: str) -> None:
    engine = open_engine(empty_database, application_name="test")
    block = "ab" * 32
    with engine.begin() as connection:
        upgrade(connection, "0006")
        for statement in (
            f"INSERT INTO blocks VALUES ('{block}', 101, 0, 0, 1, 10, '1.rig', now(), true)",
            f"INSERT INTO block_credits VALUES ('{block}', 1, 1, 7), ('{block}', 0, 1, 3)",
            "INSERT INTO accounts VALUES ('participant:1', 1)",
            (
                "INSERT INTO transfers SELECT sha256(code::bytea), 'pend', NULL, 'coinbase', code, "
                f"sat, '{block}', 1 FROM (VALUES ('participant:1', 7), ('unassigned', 3)) "
                "AS due (code, sat)"
            ),
            "UPDATE blocks SET attempts = 1",
        ):
            connection.execute(sa.text(statement))
    migrate(empty_database)
    with engine.begin() as connection:
        rows = connection.execute(
            sa.text("SELECT DISTINCT asset, subject, reference, kind FROM transfers")
        ).all()
        balances = connection.execute(
            sa.text("SELECT participant_id, pending_sat, mature_sat FROM participant_balances")
        ).all()
        check = connection.execute(sa.text("SELECT * FROM ledger_check")).one()
        codes = connection.execute(sa.text("SELECT count(*) FROM accounts")).scalar_one()
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text("UPDATE transfers SET asset = 'KGS'"))
    engine.dispose()
    assert [tuple(row) for row in rows] == [("BTC", "block", block, "pend")]
    assert [tuple(row) for row in balances] == [(1, 7, 0)]
    assert tuple(check) == (True, 2)
    assert codes == 10


@pytest.mark.parametrize("rested_s", [0.0, 1e-9])
def test_a_connection_that_died_while_it_rested_is_replaced(
    database: str, engine: sa.Engine, rested_s: float
) -> None:
    resting = open_engine(database, application_name="test", rested_s=rested_s)
    killed = _kill_resting(resting, engine)
    with resting.connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != killed
    resting.dispose()


def test_one_that_died_at_work_is_noticed_once_and_replaced(
    database: str, engine: sa.Engine
) -> None:
    working = open_engine(database, application_name="test", rested_s=3600)
    killed = _kill_resting(working, engine)
    with pytest.raises(OperationalError), working.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    with working.connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != killed
    working.dispose()


def _kill_resting(resting: sa.Engine, engine: sa.Engine) -> int:
    """Have a connection go back to its pool, and PostgreSQL end it there."""
    with resting.connect() as connection:
        pid: int = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    return pid
