"""Verifying a backup: restored into a scratch folder, looked at by the pool's own audits."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from kench.backup.errors import RestoreError
from kench.backup.restoring import Order, Restored, restore
from kench.pool.secret_files import CREDENTIALS_VARIABLE
from kench.pool.secret_sources import tell_secret, variable_of
from kench.pool.settings_file import setting_variables

AUDIT_S = 24 * 3600.0


class Checked(NamedTuple):
    """What a backup was found to be."""

    restored: Restored
    said: tuple[str, ...]
    """The last line of each audit."""


class VerdictError(RestoreError):
    """A backup was restored, and its books do not hold."""


def check_backup(
    order: Order, scratch: Path | None, node_urls: str | None, say: Callable[[str], None]
) -> Checked:
    """Restore into a scratch folder, and audit there; node URLs let the chain be compared too.

    Raises RestoreError; what was restored is gone when this returns.
    """
    with TemporaryDirectory(prefix="kench-check-", dir=scratch) as folder:
        data = Path(folder) / "data"
        restored = restore(replace(order, data=data, durable=False), say)
        environment = audit_environment(data, node_urls)
        roles = ["audit", *(["verify"] if node_urls else [])]
        said = []
        for role in roles:
            say(f"running `kench {role}` on what was restored")
            said.append(_run(role, environment))
    return Checked(restored, tuple(said))


def audit_environment(data: Path, node_urls: str | None) -> dict[str, str]:
    """Return an environment whose settings are of the scratch folder alone, and its trust."""
    ours = setting_variables() | {"KENCH_CONFIG", "KENCH_UP_PID", CREDENTIALS_VARIABLE}
    told = {name: value for name, value in os.environ.items() if name not in ours}
    told["KENCH_DATA"] = str(data)
    config = data / "kench.toml"
    if config.exists():
        config.unlink()
    if node_urls:
        told = tell_secret(told, data.parent / "secrets", "node_urls", node_urls)
    for kind, name in (("roots", "signature_roots"), ("lists", "signature_crls")):
        if (data / "trust" / kind).is_dir():
            told[variable_of(name)] = str(data / "trust" / kind)
    return told


@contextmanager
def passing_key(openssl: Path) -> Iterator[tuple[Path, Path]]:
    """Give a certificate and its key that exist for as long as one backup is verified.

    Whoever makes a backup cannot open it, so the one that is verified is for this key as well.
    """
    with TemporaryDirectory(prefix="kench-passing-") as folder:
        certificate, key = Path(folder) / "passing.pem", Path(folder) / "passing.key"
        try:
            subprocess.run(  # noqa: S603 - our own words, no shell
                [
                    str(openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=kench backup verify",
                    "-days", "2", "-keyout", str(key), "-out", str(certificate),
                ],
                check=True, capture_output=True, timeout=60,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise RestoreError(f"{openssl} cannot make a key to verify with ({error})") from error
        yield certificate, key


def _run(role: str, environment: dict[str, str]) -> str:
    program = Path(sysconfig.get_path("scripts")) / "kench"
    done = subprocess.run(  # noqa: S603 - our own program with our own words
        [sys.executable, str(program), role],
        env=environment, capture_output=True, text=True, timeout=AUDIT_S, check=False,
    )  # fmt: skip
    lines = (done.stdout + done.stderr).strip().splitlines()
    last = lines[-1] if lines else "it said nothing"
    if done.returncode:
        raise VerdictError(
            f"`kench {role}` on the restored pool: {last}; do not keep this backup alone"
        )
    return last
