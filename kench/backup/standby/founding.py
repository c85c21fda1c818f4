"""Making a standby: a copy of the main machine's database, which follows it from then on."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from kench.backup.dumping import environment
from kench.backup.errors import BackupError
from kench.backup.journals import journal_folders
from kench.backup.standby.lending import line_url, reached, ready_replica_role
from kench.backup.standby.told import told_folder
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import account_for, wheel_binaries
from kench.pool.postgres_cluster import Cluster
from kench.pool.settings import Settings
from kench.pool.shipping.followers import SLOT
from kench.pool.shipping.generation import (
    GENERATION_NAME,
    read_generation,
    write_generation,
)
from kench.pool.shipping.leading import FOLLOWING, tls_of
from kench.pool.shipping.link import split_address


def found(settings: Settings, source: str) -> None:
    """Make an empty folder a standby of the main machine at `source`, `host:port` or a folder.

    Raises BackupError, and leaves nothing.
    """
    data = settings.data_dir
    if data.exists() and any(data.iterdir()):
        raise BackupError(f"{data} is not empty: name a new folder by --data")
    main = Path(source)
    home = data / "postgres"
    home.mkdir(parents=True)
    try:
        with contextlib.ExitStack() as line:
            if main.is_dir():
                url = Cluster(main.resolve() / "postgres", None, 60.0).url()
                ready_replica_role(url)
                write_generation(data, read_generation(main))
                address = None
            else:
                address = _checked(source)
                line.enter_context(reached(home, address, tls_of(settings)))
                url = line_url(home)
            _copy(home, url)
            follow(data, address)
            server = EmbeddedPostgres(data)
            server.start()
            server.stop()
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise


def follow(data: Path, address: str | None) -> None:
    """Mark a folder as a standby's, whose database follows the one at `address`, if any here."""
    told_folder(data).mkdir(exist_ok=True)
    (data / FOLLOWING).write_text(json.dumps({"postgres": address}))


def follows_if_new(data: Path) -> bool:
    """Say whether a folder is a standby's; one with nothing of a pool in it is from now on.

    So begins a standby whose database is replicated by its own means.
    """
    if (data / FOLLOWING).exists():
        return True
    if (
        any(journal_folders(data / "journal"))
        or (data / GENERATION_NAME).exists()
        or (data / "postgres").exists()
    ):
        return False
    follow(data, None)
    return True


def followed_address(data: Path) -> str | None:
    """Return where a standby's folder reaches the main database; None on the same machine."""
    try:
        found_: dict[str, str | None] = json.loads((data / FOLLOWING).read_text())
    except FileNotFoundError:
        return None
    return found_["postgres"]


def _checked(source: str) -> str:
    try:
        split_address(source)
    except ValueError as error:
        raise BackupError(
            f"--from {source} is neither host:port of a main machine's database nor a data folder"
        ) from error
    return source


def _copy(home: Path, url: str) -> None:
    cluster = home / "cluster"
    slot = f"{SLOT}_{secrets.token_hex(4)}"
    done = subprocess.run(  # noqa: S603 - our own words, no shell
        [
            str(wheel_binaries() / "pg_basebackup"), "-D", str(cluster), "-X", "stream", "-R",
            "--checkpoint=fast", "--create-slot", f"--slot={slot}", "--no-password",
        ],
        env=environment(url), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise BackupError(f"pg_basebackup failed: {last[0] if last else 'it said nothing'}")
    for left in (*cluster.glob(".s.PGSQL.*"), *cluster.glob("postmaster.*")):
        left.unlink()
    cluster.chmod(0o700)
    account = account_for(cluster)
    if account is not None:
        for path in [cluster, *cluster.rglob("*")]:
            os.chown(path, account.uid, account.gid)
