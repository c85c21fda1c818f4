"""The main machine lends its embedded database to the standby, and the standby reaches it."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2

from kench.backup.errors import BackupError
from kench.pool.database_url import libpq_url
from kench.pool.line_tls import TlsFiles
from kench.pool.postgres_account import account_for
from kench.pool.postgres_cluster import SOCKET_PATH_MAX
from kench.pool.settings import Settings
from kench.pool.shipping.leading import tls_of
from kench.pool.shipping.link import split_address
from kench.pool.shipping.relay import REPLICA_ROLE, SOCKET_NAME, Ends, Relay, listen_privately


def ready_replica_role(url: str) -> None:
    """See that the role is there by which a standby comes; it may copy and nothing else."""
    connection = psycopg2.connect(libpq_url(url), connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (REPLICA_ROLE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {REPLICA_ROLE} LOGIN REPLICATION")
    finally:
        connection.close()


def lend(settings: Settings, socket_directory: Path) -> tuple[Relay, str]:
    """Listen for a standby at `postgres_listen`; return the relay, not started, and where it is."""
    tls = tls_of(settings)
    if settings.postgres_listen is None or tls is None:
        raise BackupError(
            "the database is lent by TLS alone: set KENCH_POSTGRES_LISTEN and "
            "KENCH_STANDBY_CERTIFICATE, _KEY and _AUTHORITY"
        )
    host, port = split_address(settings.postgres_listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)

    async def reach() -> Ends:
        return await asyncio.open_unix_connection(str(socket_directory / SOCKET_NAME))

    at = listener.getsockname()
    return Relay(listener, reach, tls.context(server=True)), f"{at[0]}:{at[1]}"


def line_url(home: Path) -> str:
    """Return the URL by which the standby's server reaches the main one, through our relay."""
    return f"postgresql://{REPLICA_ROLE}@/kench?host={quote(str(home / 'line'), safe='')}"


@contextlib.contextmanager
def reached(home: Path, address: str, tls: TlsFiles | None) -> Iterator[None]:
    """Have a socket beside the standby's cluster that leads to the main machine's database."""
    folder = home / "line"
    if tls is None:
        raise BackupError("the main machine's database is reached by TLS: set KENCH_STANDBY_"
                          "CERTIFICATE, _KEY and _AUTHORITY")  # fmt: skip
    if len(str(folder / SOCKET_NAME).encode()) > SOCKET_PATH_MAX:
        raise BackupError(f"{folder} is too long a name for a socket: choose a shorter --data")
    listener = listen_privately(folder, account_for(home / "cluster"))
    context = tls.context(server=False)
    host, port = split_address(address)

    async def reach() -> Ends:
        return await asyncio.open_connection(host, port, ssl=context)

    relay = Relay(listener, reach)
    relay.start()
    try:
        yield
    finally:
        relay.stop()
