"""Making a standby: a copy of the main machine's database, which follows it from then on."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kench.backup.dumping import environment
from kench.backup.errors import BackupError
from kench.backup.standby.told import told_folder
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import account_for, wheel_binaries
from kench.pool.postgres_cluster import Cluster
from kench.pool.postgres_replication import certificates_for_server
from kench.pool.settings import Settings
from kench.pool.shipping.generation import read_generation, write_generation
from kench.pool.shipping.leading import FOLLOWING

SLOT = "kench_standby"


def found(settings: Settings, source: str) -> None:
    """Make an empty folder a standby of the main machine at `source`, a URL or a data folder.

    Raises BackupError, and leaves nothing.
    """
    data = settings.data_dir
    if data.exists() and any(data.iterdir()):
        raise BackupError(f"{data} is not empty: name a new folder by --data")
    main = Path(source)
    home = data / "postgres"
    home.mkdir(parents=True)
    try:
        if main.is_dir():
            url = Cluster(main.resolve() / "postgres", None, 60.0).url()
            write_generation(data, read_generation(main))
        else:
            url = _with_certificates(settings, home, source)
        _copy(home, url)
        told_folder(data).mkdir()
        (data / FOLLOWING).write_text(f"{main.resolve() if main.is_dir() else 'by TCP'}\n")
        server = EmbeddedPostgres(data)
        server.start()
        server.stop()
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise


def _with_certificates(settings: Settings, home: Path, url: str) -> str:
    """Return the URL with the line's certificates in it, where the server's account reads them."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise BackupError(
            "--from is the main machine's data folder, or postgresql://kench_replica@host:port/kench"
        )
    query = dict(parse_qsl(parts.query))
    copies = certificates_for_server(settings, home)
    if copies is not None:
        names = ("sslcert", "sslkey", "sslrootcert")
        query = {"sslmode": "verify-full"} | dict(zip(names, map(str, copies), strict=True)) | query
    return urlunsplit(parts._replace(query=urlencode(query)))


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
