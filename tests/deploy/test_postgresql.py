"""The files of deploy/postgresql, read by a real server; its roles may do what they are for."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from kench.pool.database import Role, check_schema, migrate, open_engine
from kench.pool.postgres_account import wheel_binaries
from tests.conftest import execute, url_of_database

FILES = Path(__file__).parents[2] / "deploy" / "postgresql"
LOGINS = {
    "kench-stratum": {Role.STRATUM},
    "kench-settle": {Role.SETTLE},
    "kench-sell": {Role.SELL},
    "kench-cabinet": {Role.CABINET},
    "kench-tax": {Role.TAX},
    "kench-owner": {Role.READ, Role.SETTLE, Role.SELL},
}
# The embedded server has a superuser and a database by the names that are shipped.
RENAMED = {
    r"\('kench', 20\)": "('kench-owner', 20)",
    r"GRANT (kench_read.*) TO kench;": r'GRANT \1 TO "kench-owner";',
    r"CREATE DATABASE kench OWNER kench": 'CREATE DATABASE kench_deployed OWNER "kench-owner"',
    r"datname = 'kench'": "datname = 'kench_deployed'",
    r"ON DATABASE kench ": "ON DATABASE kench_deployed ",
}


@pytest.fixture(scope="module")
def pool(postgres_url: str) -> Iterator[str]:
    """URL of a database made by roles.sql, at the newest schema."""
    text = (FILES / "roles.sql").read_text()
    for shipped, here in RENAMED.items():
        text, times = re.subn(shipped, here, text)
        assert times, shipped
    for _ in range(2):  # a second time changes nothing
        subprocess.run(
            [wheel_binaries() / "psql", postgres_url, "-qX", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=text, text=True, check=True, timeout=60,
        )  # fmt: skip
    url = url_of_database(postgres_url, "kench_deployed")
    migrate(as_login(url, "kench-owner"))
    yield url
    execute(postgres_url, "DROP DATABASE kench_deployed WITH (FORCE)")


def as_login(url: str, login: str) -> str:
    """The same database's URL for one who logs in."""
    return sa.make_url(url).set(username=login).render_as_string(hide_password=False)


@pytest.mark.parametrize("login", LOGINS)
def test_a_login_may_act_as_its_own_role_and_as_no_other(pool: str, login: str) -> None:
    url = as_login(pool, login)
    for role in Role:
        engine = open_engine(url, role, application_name="test")
        if role in LOGINS[login]:
            check_schema(engine)
        else:
            with pytest.raises(sa.exc.OperationalError, match="permission denied"):
                engine.connect()
        engine.dispose()


def test_the_owner_migrates_and_makes_no_roles(pool: str) -> None:
    url = as_login(pool, "kench-owner")
    engine = open_engine(url, application_name="test")
    for statement in ("CREATE ROLE another", "CREATE DATABASE another"):
        with (
            pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db,
        ):
            db.exec_driver_sql(statement)
    engine.dispose()


def test_statistics_alone_use_tables_of_a_session(pool: str) -> None:
    for login, roles in LOGINS.items():
        for role in roles:
            # As its process does: with the rights of the role, not of who logged in.
            engine = open_engine(as_login(pool, login), role, application_name="test")
            asked = sa.text("SELECT has_database_privilege(current_database(), 'TEMP')")
            with engine.connect() as db:
                may = db.scalar(asked)
            engine.dispose()
            assert may is (role is Role.STRATUM), (login, role)


@pytest.mark.parametrize("replica", [False, True], ids=["primary", "replica"])
def test_a_server_takes_each_setting(tmp_path: Path, *, replica: bool) -> None:
    text = (FILES / "kench.conf").read_text()
    if replica:
        text += (FILES / "replica.conf").read_text()
    # The embedded build knows no TLS; Debian's does.
    debian = Path("/usr/lib/postgresql/15/bin")
    binaries = debian if (debian / "postgres").exists() else wheel_binaries()
    if binaries != debian:
        text = re.sub(r"(?m)^ssl.*$", "", text)
    (tmp_path / "postgresql.conf").write_text(text)
    for name, wanted in {
        "synchronous_commit": "on", "fsync": "on", "full_page_writes": "on",
        "idle_in_transaction_session_timeout": "60000", "max_slot_wal_keep_size": "8192",
    }.items():  # fmt: skip
        # It reads the whole file, and ends at what it does not understand.
        said = subprocess.run(
            [binaries / "postgres", "-C", name, "-D", tmp_path],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert (said.returncode, said.stdout.strip()) == (0, wanted), said.stderr


def test_a_server_takes_each_line_of_who_may_come(postgres_url: str) -> None:
    connection = psycopg2.connect(postgres_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW hba_file")
        (name,) = cursor.fetchone() or ("",)
        place = Path(name)
        before = place.read_text()
        try:
            # This view reads the file anew; the server itself does so when it is told to.
            place.write_text((FILES / "pg_hba.conf").read_text())
            cursor.execute("SELECT type, user_name, auth_method, error FROM pg_hba_file_rules")
            rules = cursor.fetchall()
        finally:
            place.write_text(before)
    connection.close()
    faults = [error for *_, error in rules if error]
    assert [one for one in faults if "not supported by this build" not in one] == []
    named = {user for _, users, *_ in rules for user in users or ()}
    shipped = {*LOGINS, "kench"} - {"kench-owner"}
    assert named == {*shipped, "postgres", "kench-archive", "kench-replica", "all"}
    text = (FILES / "pg_hba.conf").read_text()
    assert not re.search(r"(?m)^host(nossl)?\s.*(?<!reject)$", text), "a wire without TLS"
    assert text.rstrip().splitlines()[-1].split()[-1] == "reject"
