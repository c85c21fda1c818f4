"""URLs of databases: as libpq takes them, as SQLAlchemy does, and as messages may show them.

A URL may name several servers of one database, `postgresql://user@a,b:5433/name`: a primary and its
replicas. Whoever connects takes the one that leads (`kench.pool.primary`).
"""

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from kench.pool.errors import KenchError

DRIVER = "postgresql+psycopg2"


class DatabaseUrlError(KenchError):
    """The URL of the database cannot be understood."""


def libpq_url(url: str) -> str:
    """The URL as psycopg2.connect takes it, with its password: never for messages."""
    if len(servers_of(url)) < 2:
        return driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    text = _plain(url)
    if "target_session_attrs" not in parse_dsn(text):
        text += ("&" if "?" in text else "?") + "target_session_attrs=read-write"
    return text


def servers_of(url: str) -> list[dict[str, str]]:
    """Return host and port of each server that a URL names, as arguments of psycopg2.connect.

    Raises DatabaseUrlError.
    """
    try:
        parts = parse_dsn(_plain(url))
    except ProgrammingError as error:
        raise _strange() from error
    hosts = parts.get("host", "").split(",")
    ports = parts.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts) or not all(port.isdecimal() or not port for port in ports):
        raise _strange()
    pairs = zip(hosts, ports, strict=True)
    return [{"host": host} | ({"port": port} if port else {}) for host, port in pairs]


def driver_url(url: str | URL) -> URL:
    """The URL as SQLAlchemy takes it; of several servers, one that is for messages alone."""
    try:
        if isinstance(url, URL) or len(servers_of(url)) < 2:
            return make_url(url).set(drivername=DRIVER)
    except (ArgumentError, ValueError) as error:
        # The text is not repeated: it may hold a password.
        raise _strange() from error
    parts = parse_dsn(_plain(url))
    user, password, name = (parts.get(one) for one in ("user", "password", "dbname"))
    return URL.create(DRIVER, user, password, parts["host"], database=name)


def safe_url(url: str | URL) -> str:
    """The URL without its password, for messages."""
    return driver_url(url).set(drivername="postgresql").render_as_string(hide_password=True)


def _plain(url: str) -> str:
    """The URL in the scheme that libpq knows."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{mark}{rest}"


def _strange() -> DatabaseUrlError:
    return DatabaseUrlError(
        "KENCH_DATABASE_URL must look like postgresql://user:password@host:port/name, or with "
        "several servers user:password@host:port,host:port/name"
    )
