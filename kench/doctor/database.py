"""PostgreSQL: is it there, is the schema this version's, would it keep what it says it keeps."""

import contextlib
from collections.abc import Iterator

import psycopg2
import sqlalchemy as sa

from kench.doctor.finding import Finding, bad, by_bounds, ok, warn
from kench.pool.clock import Clock
from kench.pool.database import (
    DatabaseUnavailableError,
    Role,
    SchemaMismatchError,
    check_schema,
    first_line,
    open_engine,
)
from kench.pool.database_url import libpq_url
from kench.pool.errors import KenchError

CONNECTIONS_MIN = 150
CLOCKS_WARN_S, CLOCKS_BAD_S = 1.0, 5.0
FSYNC_MEND = "ALTER SYSTEM SET {0} = on; SELECT pg_reload_conf()"
KEEPS = ("fsync", "full_page_writes")
CONNECT_S = 5
MEND_FILE = "deploy/postgresql/kench.conf, then restart PostgreSQL"
FACTS = sa.text("""
    SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp()),
           pg_is_in_recovery(), coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
           inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1'
""")  # noqa: E501 - SQL


def check_database(url: str, clock: Clock) -> Iterator[Finding]:
    """Look at it as whoever asks; a role that lacks a right says so."""
    try:
        engine = open_engine(url, application_name="kench doctor", pool_size=1)
    except KenchError as fault:
        yield bad("database", str(fault), "database_url")
        return
    try:
        try:
            check_schema(engine)
        except SchemaMismatchError as fault:
            yield bad("schema", str(fault), "`kench migrate`, or the version that made it")
        except DatabaseUnavailableError as fault:
            yield bad("database", str(fault), "start PostgreSQL, or correct database_url")
            return
        else:
            yield ok("schema", "it is this version's")
        with engine.connect() as db:
            yield from _check_server(db, clock)
            yield from _check_roles(db)
        yield from _check_settings(url)
    except KenchError as fault:
        yield bad("database", str(fault), "database_url")
    except (sa.exc.DBAPIError, psycopg2.Error) as error:
        yield bad("database", first_line(error), "database_url, and the server's log")
    finally:
        engine.dispose()


def _check_server(db: sa.Connection, clock: Clock) -> Iterator[Finding]:
    version, now_s, follows, is_tls, is_here = db.execute(FACTS).one()
    off_s = abs(float(now_s) - clock.now_us() / 1e6)
    if follows:
        yield bad("database", f"PostgreSQL {version} follows another server and takes no writes",
                  "database_url of the primary, or promote it: docs/runbook.md")  # fmt: skip
    else:
        yield ok("database", f"PostgreSQL {version} answers")
    if not (is_tls or is_here):
        yield bad("database wire", "it goes to another machine without TLS",
                  "sslmode=verify-full and sslrootcert= in database_url")  # fmt: skip
    yield by_bounds(
        "database clock", off_s, f"{off_s:.1f} s from this machine's", "NTP on both machines",
        warn_from=CLOCKS_WARN_S, bad_from=CLOCKS_BAD_S,
    )  # fmt: skip


def _check_settings(url: str) -> Iterator[Finding]:
    """Look at the server's own settings: connections of ours bring some of theirs along."""
    with (
        contextlib.closing(psycopg2.connect(libpq_url(url), connect_timeout=CONNECT_S)) as plain,
        plain.cursor() as cursor,
    ):
        cursor.execute("SELECT name, setting FROM pg_settings")
        found: dict[str, str] = {}
        found.update(cursor.fetchall())
    lost = [name for name in KEEPS if found[name] != "on"]
    for name in lost:
        yield bad("durability", f"{name} is {found[name]}: books that were committed can be lost",
                  FSYNC_MEND.format(name))  # fmt: skip
    if found["synchronous_commit"] == "off":
        yield bad("durability", "synchronous_commit is off: what was committed last can be lost",
                  FSYNC_MEND.format("synchronous_commit"))  # fmt: skip
    elif not lost:
        yield ok("durability", "what is committed is on disk")
    # Ours bring a bound of their own; whoever comes by psql has the server's.
    if found["idle_in_transaction_session_timeout"] == "0":
        yield warn("timeouts", "a transaction may stand idle for ever and hold up others",
                   "idle_in_transaction_session_timeout: " + MEND_FILE)  # fmt: skip
    else:
        yield ok("timeouts", "a transaction that stands idle is ended")
    connections = int(found["max_connections"])
    if connections < CONNECTIONS_MIN:
        yield warn("connections", f"{connections} at most; two cabinets and a front take 80",
                   "max_connections: " + MEND_FILE)  # fmt: skip
    else:
        yield ok("connections", f"{connections} at most")


def _check_roles(db: sa.Connection) -> Iterator[Finding]:
    rows = db.execute(sa.text(
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = ANY(:names)"
    ), {"names": [role.value for role in Role]}).all()  # fmt: skip
    found = {name: may for name, may in rows}  # noqa: C416 - rows are no pairs to a type checker
    missing = sorted(role.value for role in Role if role.value not in found)
    if missing:
        yield bad("roles", f"{', '.join(missing)} are not there", "deploy/postgresql/roles.sql")
    login = [name for name, may in found.items() if may]
    if login:
        yield warn("roles", f"{', '.join(login)} may log in", f"ALTER ROLE {login[0]} NOLOGIN")
    user, is_super = db.execute(sa.text(
        "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
    )).one()  # fmt: skip
    if is_super:
        yield warn("roles", f"{user} of database_url is a superuser: it may do anything",
                   "a login of deploy/postgresql/roles.sql")  # fmt: skip
    elif not missing and not login:
        yield ok("roles", f"{user} comes as itself")
