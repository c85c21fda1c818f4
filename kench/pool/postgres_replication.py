"""The embedded PostgreSQL as a main server that a standby follows, and as one that follows.

DATA/postgres/options.json   what the server is started with besides
DATA/postgres/replication/   who may come by TCP (hba, ident), and copies of the certificates
"""

import json
import os
import shutil
from pathlib import Path

import psycopg2
import structlog

from kench.pool.database import libpq_url
from kench.pool.durable import write_durably
from kench.pool.postgres_account import Account, PostgresError, account_for, open_way
from kench.pool.postgres_cluster import OPTIONS_NAME
from kench.pool.settings import Settings

REPLICA_ROLE = "kench_replica"
_HBA = f"""# By the socket whoever may enter its folder; by TCP a standby alone.
local all all trust
local replication all trust
hostssl replication {REPLICA_ROLE} all cert map=standby
"""
_IDENT = f"# Every certificate of the line's authority is a standby's.\nstandby /^ {REPLICA_ROLE}\n"

log = structlog.get_logger("postgres")


def prepare_replication(settings: Settings) -> None:
    """Lay out how the server is started next, by the settings. Raises PostgresError."""
    home = settings.data_dir / "postgres"
    path = home / OPTIONS_NAME
    try:
        if settings.postgres_listen is None:
            path.unlink(missing_ok=True)
            return
        home.mkdir(parents=True, exist_ok=True)
        wanted = json.dumps(_options(settings, home)).encode()
        if not path.exists() or path.read_bytes() != wanted:
            write_durably(path, wanted)
            log.info("the database listens for a standby from its next start on")
    except OSError as error:
        raise PostgresError(
            f"the database cannot be prepared for a standby ({error.strerror}: {error.filename})"
        ) from error


def ready_replica_role(url: str) -> None:
    """See that the role is there by which a standby comes; it may copy and nothing else."""
    connection = psycopg2.connect(libpq_url(url), connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_roles"
                           " WHERE rolname = %s)", (REPLICA_ROLE,))  # fmt: skip
            row = cursor.fetchone()
            if row is not None and not row[0]:
                cursor.execute(f"CREATE ROLE {REPLICA_ROLE} LOGIN REPLICATION")
    finally:
        connection.close()


def certificates_for_server(settings: Settings, home: Path) -> tuple[Path, Path, Path] | None:
    """Copy the line's certificates to where the server's account may read them."""
    files = (settings.standby_certificate, settings.standby_key, settings.standby_authority)
    if None in files:
        return None
    folder = home / "replication"
    folder.mkdir(mode=0o700, exist_ok=True)
    account = account_for(home / "cluster")
    _give(folder, account)
    copies = []
    for source, name in zip(files, ("own.pem", "own.key", "authority.pem"), strict=True):
        if source is None:
            raise AssertionError("all of them are set")
        target = folder / name
        target.unlink(missing_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, source.open("rb") as content:
            shutil.copyfileobj(content, file)
        _give(target, account)
        copies.append(target)
    if account is not None:
        open_way(folder / "own.pem", account)
    certificate, key, authority = copies
    return certificate, key, authority


def _options(settings: Settings, home: Path) -> dict[str, str]:
    copies = certificates_for_server(settings, home)
    if copies is None or settings.postgres_listen is None:
        raise AssertionError("the settings see that they go together")
    folder, account = home / "replication", account_for(home / "cluster")
    for name, content in (("hba.conf", _HBA), ("ident.conf", _IDENT)):
        (folder / name).write_text(content)
        _give(folder / name, account)
    host, _, port = settings.postgres_listen.rpartition(":")
    return {
        "listen_addresses": host.strip("[]"),
        "port": port,
        "hba_file": str(folder / "hba.conf"),
        "ident_file": str(folder / "ident.conf"),
        "ssl": "on",
        "ssl_min_protocol_version": "TLSv1.3",
        "ssl_cert_file": str(copies[0]),
        "ssl_key_file": str(copies[1]),
        "ssl_ca_file": str(copies[2]),
    }


def _give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)
