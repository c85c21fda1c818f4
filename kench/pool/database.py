"""PostgreSQL: how to connect with no more rights than needed, and how the schema gets its shape.

Nothing here may run on the event loop's thread. Money and work go through SQLAlchemy Core.
"""

import contextlib
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError

from kench.pool import primary
from kench.pool.database_url import driver_url, safe_url, servers_of
from kench.pool.errors import KenchError

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x6B656E6368
"""Key of the advisory lock under which one process at a time migrates ("kench" in ASCII)."""
OLDEST_SERVER = 150_000
"""server_version_num of PostgreSQL 15.0."""
_BACK = "kench_back"
"""Where it is kept when a connection came back to the pool."""
PERMISSION_DENIED = "42501"
"""SQLSTATE insufficient_privilege."""


class Role(StrEnum):
    """Roles of the processes, without login; migrations grant each what it needs and no more."""

    STRATUM = "kench_stratum"
    SETTLE = "kench_settle"
    SELL = "kench_sell"
    CABINET = "kench_cabinet"
    TAX = "kench_tax"
    READ = "kench_read"


class DatabaseUnavailableError(KenchError):
    """PostgreSQL does not answer, refuses us, or is too old."""


class DatabaseRefusedError(KenchError):
    """PostgreSQL answers and does not let be done what a command asks for."""


class SchemaMismatchError(KenchError):
    """The schema in the database is not the one that this version of Kench works with."""


class MigrationFailedError(KenchError):
    """The schema could not be brought to this version's shape; nothing of it was changed."""


def open_engine(  # noqa: PLR0913 - each is a bound or a name that its caller chooses
    url: str,
    role: Role | None = None,
    *,
    application_name: str,
    pool_size: int = 4,
    statement_timeout_s: float = 30.0,
    lock_timeout_s: float = 5.0,
    rested_s: float = 0.0,
) -> sa.Engine:
    """Engine on psycopg2 whose connections act as `role` (None: as the URL's own user).

    At most `pool_size` connections; each statement, wait for a lock and idle transaction has a
    bound (0 takes one away). A connection that was not used for `rested_s` is tried before it is
    used again. Connects at first use; raises DatabaseUrlError.
    """
    arguments = connect_arguments(
        role,
        application_name=application_name,
        statement_timeout_s=statement_timeout_s,
        lock_timeout_s=lock_timeout_s,
    )
    engine = sa.create_engine(
        driver_url(url),
        # What broke is told to the log; personal numbers and digests of secrets are not.
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=not rested_s,
        # Those used last, so that the others may rest.
        pool_use_lifo=bool(rested_s),
        connect_args=arguments,
    )
    if len(servers_of(url)) > 1:
        sa.event.listen(engine, "do_connect", lambda *_: primary.connect(url, arguments))
    if rested_s:
        _try_rested(engine, rested_s)
    return engine


def connect_arguments(
    role: Role | None,
    *,
    application_name: str,
    statement_timeout_s: float = 30.0,
    lock_timeout_s: float = 5.0,
) -> dict[str, Any]:
    """Arguments of psycopg2.connect, beside the URL, for a bounded connection as `role`.

    A server that is not reached any more is noticed within 14 s, whether anything was asked or not.
    """
    settings = {
        "statement_timeout": round(statement_timeout_s * 1000),
        "lock_timeout": round(lock_timeout_s * 1000),
        "idle_in_transaction_session_timeout": 60_000,
        "timezone": "UTC",
    } | ({"role": role.value} if role else {})
    return {
        "application_name": application_name,
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 12_000,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


def migrate(url: str) -> None:
    """Bring the schema to this version's; do nothing if it is there. All in one transaction.

    Several processes may call it at once: an advisory lock makes them take turns. Raises
    DatabaseUnavailableError, SchemaMismatchError (made by a newer Kench), MigrationFailedError.
    """
    engine = open_engine(
        url, application_name="kench migrate", statement_timeout_s=600, lock_timeout_s=30
    )
    try:
        with engine.begin() as connection:
            _check_server(connection)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            found = found_revision(connection)
            if found == head_revision():
                return
            _refuse_unknown(found)
            upgrade(connection)
    except OperationalError as error:
        raise unavailable(url, error) from error
    except DBAPIError as error:
        raise MigrationFailedError(
            f"the schema of {safe_url(url)} could not be migrated: {first_line(error)}; the "
            "user of KENCH_DATABASE_URL must own the database and may need CREATEROLE"
        ) from error
    finally:
        engine.dispose()


@contextlib.contextmanager
def one_transaction(
    url: str, role: Role | None = None, *, application_name: str
) -> Iterator[sa.Connection]:
    """One transaction on a checked schema, for a short command; an error rolls it back.

    Raises DatabaseUnavailableError, DatabaseRefusedError, and what `check_schema` raises.
    """
    engine = open_engine(url, role, application_name=application_name, pool_size=1)
    try:
        check_schema(engine)
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise unavailable(url, error) from error
    except DBAPIError as error:
        owner = getattr(error.orig, "pgcode", None) == PERMISSION_DENIED
        advice = (
            "use the KENCH_DATABASE_URL of the schema's owner"
            if owner
            else "try again, and if it stays so, run `kench audit`"
        )
        raise DatabaseRefusedError(
            f"PostgreSQL refused, and nothing was changed: {first_line(error)}; {advice}"
        ) from error
    finally:
        engine.dispose()


def check_schema(engine: sa.Engine) -> None:
    """See that the schema is exactly this version's; each root does so once, before it works.

    Raises SchemaMismatchError, or DatabaseUnavailableError if no server answers.
    """
    try:
        with engine.connect() as connection:
            _check_server(connection)
            found = found_revision(connection)
    except OperationalError as error:
        raise unavailable(engine.url, error) from error
    except DBAPIError as error:
        raise DatabaseUnavailableError(
            f"the user of {safe_url(engine.url)} may not work there: {first_line(error)}; grant "
            "it the roles kench_stratum, kench_settle, kench_sell, kench_cabinet, kench_tax and "
            "kench_read"
        ) from error
    if found != head_revision():
        _refuse_unknown(found)
        raise SchemaMismatchError(
            f"the database has schema {found or '(none)'} and this version needs "
            f"{head_revision()}: run `kench migrate` with the KENCH_DATABASE_URL of its owner"
        )


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision, in the transaction and under the lock of the caller."""
    # Every process checks the schema, and hardly any changes it: the others start sooner so.
    from alembic import command  # noqa: PLC0415 - only who migrates needs it

    command.upgrade(_alembic(connection), revision)


def downgrade(connection: sa.Connection, revision: str) -> None:
    """Run the migrations back to a revision, in the transaction and under the lock of the caller.

    What has no place there is lost: `schema_steps.migrate_back` looks first.
    """
    from alembic import command  # noqa: PLC0415 - only who migrates needs it

    command.downgrade(_alembic(connection), revision)


def _alembic(connection: sa.Connection) -> Any:
    from alembic.config import Config  # noqa: PLC0415 - only who migrates needs it

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """Newest schema revision that this version knows."""
    known = known_revisions()
    if not known:
        raise SchemaMismatchError(
            f"no migrations in {MIGRATIONS}: install Kench again with `make build`"
        )
    return known[-1]


def first_line(error: Exception) -> str:
    """Return what PostgreSQL said first, without the statement that earned it."""
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _try_rested(engine: sa.Engine, rested_s: float) -> None:
    """Try connections that have rested, before they are used."""

    def keep_when(_dbapi: Any, record: Any) -> None:
        record.info[_BACK] = time.monotonic()

    def try_it(dbapi: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get(_BACK, time.monotonic()) < rested_s:
            return
        try:
            engine.dialect.do_ping(dbapi)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    sa.event.listen(engine, "checkin", keep_when)
    sa.event.listen(engine, "checkout", try_it)


def known_revisions() -> list[str]:
    """Return all revisions that this version knows, oldest first; each names its file."""
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def found_revision(connection: sa.Connection) -> str | None:
    """Return the revision of the schema that is there, None for a database without one."""
    table = connection.scalar(sa.select(sa.func.to_regclass("alembic_version")))
    if table is None:
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _refuse_unknown(found: str | None) -> None:
    if found is not None and found not in known_revisions():
        raise SchemaMismatchError(
            f"the database has schema {found}, made by a newer Kench (this one knows up to "
            f"{head_revision()}): install the newer version"
        )


def _check_server(connection: sa.Connection) -> None:
    number = int(connection.execute(sa.text("SHOW server_version_num")).scalar_one())
    if number < OLDEST_SERVER:
        raise DatabaseUnavailableError(
            f"PostgreSQL at {safe_url(connection.engine.url)} is version {number // 10_000}: Kench "
            "needs 15 or later, set KENCH_DATABASE_URL to one"
        )


def unavailable(url: str | URL, error: DBAPIError) -> DatabaseUnavailableError:
    """Return what to raise where PostgreSQL does not serve."""
    return DatabaseUnavailableError(
        f"PostgreSQL does not serve {safe_url(url)}: {first_line(error)}; start it or correct "
        "KENCH_DATABASE_URL"
    )
