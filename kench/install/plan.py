"""What goes where on a machine, and with which mode."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from kench.pool.errors import KenchError

SHARE = Path("usr/share/kench")
"""Of a root: the files as they came, and what was written where (`installed.json`)."""
PROGRAM = "/opt/kench/.venv/bin/kench"
"""As it stands in the files; the program that installs takes its place."""
FOLDER = "/opt/kench"
HIDDEN = ("/home", "/root", "/tmp", "/run/user")  # noqa: S108 - services have no such folders
COMMAND = """\
#!/bin/sh
# People's commands with the settings of this machine: sudo -u kench kench status
: "${KENCH_CONFIG:=/etc/kench/kench.toml}" "${KENCH_DATA:=/var/lib/kench}"
export KENCH_CONFIG KENCH_DATA
exec /opt/kench/.venv/bin/kench "$@"
"""


class InstallError(KenchError):
    """The files cannot be laid out; nothing of them was changed."""


class Item(NamedTuple):
    """One file to be: where it goes below the root, what is in it.

    One that `is_edited` belongs to people once it is there: theirs stays, ours is put beside it.
    """

    target: Path
    content: bytes
    mode: int
    is_edited: bool


def shipped_files() -> Path:
    """Return the folder deploy/ of the sources, else where the wheel put it."""
    for folder in (Path(__file__).parents[2] / "deploy", Path(sys.prefix) / "share/kench/deploy"):
        if (folder / "systemd").is_dir():
            return folder
    raise InstallError("the files to install did not come with this program: install it anew")


def items(shipped: Path, root: Path, program: Path) -> Iterator[Item]:
    """Yield every file; those of nginx, PostgreSQL and Prometheus where they are on this root.

    Raises InstallError where services could not run the program from its place.
    """
    if str(program).startswith(HIDDEN):
        raise InstallError(
            f"{program} is in a folder that services cannot see: put Kench into {FOLDER}"
        )

    def text(path: Path) -> bytes:
        own = path.read_text().replace(PROGRAM, str(program))
        return own.replace(f"WorkingDirectory={FOLDER}\n", "WorkingDirectory=/\n").encode()

    def owned(source: str, target: str) -> Item:
        return Item(Path(target), text(shipped / source), 0o644, is_edited=False)

    def edited(source: str, target: str) -> Item:
        return Item(Path(target), text(shipped / source), 0o644, is_edited=True)

    units = shipped / "systemd"
    for unit in sorted(units.glob("*.service")):
        yield owned(f"systemd/{unit.name}", f"usr/lib/systemd/system/{unit.name}")
    common = "kench-.service.d/10-kench.conf"
    yield owned(f"systemd/{common}", f"usr/lib/systemd/system/{common}")
    yield owned("systemd/kench.sysusers.conf", "usr/lib/sysusers.d/kench.conf")
    yield owned("systemd/kench.tmpfiles.conf", "usr/lib/tmpfiles.d/kench.conf")
    yield owned("sysctl/kench.conf", "usr/lib/sysctl.d/60-kench.conf")
    command = COMMAND.replace(PROGRAM, str(program)).encode()
    yield Item(Path("usr/local/bin/kench"), command, 0o755, is_edited=False)
    yield edited("kench.toml.example", "etc/kench/kench.toml")
    yield from _beside_services(root, edited)
    for folder in ("postgresql", "nginx", "prometheus", "grafana", "nats"):
        for path in sorted((shipped / folder).glob("*")):
            name = f"{folder}/{path.name}"
            yield owned(name, str(SHARE / name))


def _beside_services(root: Path, edited: Callable[[str, str], Item]) -> Iterator[Item]:
    for cluster in sorted((root / "etc/postgresql").glob("*/*/conf.d")):
        place = cluster.relative_to(root)
        yield edited("postgresql/kench.conf", f"{place}/kench.conf")
    if (root / "etc/nginx/sites-available").is_dir():
        yield edited("nginx/kench-cabinet.conf", "etc/nginx/sites-available/kench-cabinet")
    if (root / "etc/prometheus").is_dir():
        yield edited("prometheus/kench.rules.yml", "etc/prometheus/rules/kench.rules.yml")
