"""What root does as others: PostgreSQL knows accounts, systemd hands secrets to services."""

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from kench.pool.secret_files import SecretFileError, read_secret

OPERATOR = "kench"
"""The account of people's commands."""
NODES = Path("/etc/credstore/kench.stratum.node_urls")


@contextlib.contextmanager
def acting_as_operator(name: str = OPERATOR) -> Iterator[None]:
    """Act as the account of people's commands where root asks, and that account is there."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        account = None
    if os.geteuid() != 0 or account is None:
        yield
        return
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def given_nodes(path: Path = NODES) -> list[str]:
    """Return the nodes that stratum is handed as a credential, as far as they may be read here."""
    try:
        return read_secret(path).replace(",", " ").split()
    except SecretFileError:
        return []
