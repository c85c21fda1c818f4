"""What of the settings goes into a backup: the file without secrets, and public trust."""

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kench.backup.errors import BackupError
from kench.pool.settings import CONFIG_NAME, Settings

TRUST_FILES_MAX = 2000
TRUST_BYTES_MAX = 64 * 1024 * 1024
DEMO_FILES = ("root.pem", "crl.pem")
_SECRET = b"PRIVATE KEY"


def settings_without_secrets(path: Path) -> bytes | None:
    """Return the settings file as TOML without its secrets and comments; None where there is none.

    Raises BackupError where it cannot be read.
    """
    try:
        found = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BackupError(f"{path} cannot be read ({error}): mend it first") from error
    left = sorted(name for name in found if _is_secret(name))
    lines = [f"# {name} is a secret and not in the backup: set it again" for name in left]
    lines += [f"{name} = {_toml(value)}" for name, value in found.items() if name not in left]
    return ("\n".join(lines) + "\n").encode()


def settings_path(settings: Settings, config: str | None) -> Path:
    """Return where the settings file is, or would be."""
    return Path(config) if config else settings.data_dir / CONFIG_NAME


def trust_files(settings: Settings) -> list[tuple[str, bytes]]:
    """Return the public files by which orders' signatures are checked, each with its name there.

    Raises BackupError where one has a key in it, or cannot be read.
    """
    found: list[tuple[str, bytes]] = []
    for kind, paths in (("roots", settings.signature_roots), ("lists", settings.signature_crls)):
        for number, path in enumerate(paths):
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            found += [
                (f"trust/{kind}/{number}-{file.name}", _public(file))
                for file in files
                if file.is_file()
            ]
    # Those of the demo's authority are found in the data folder alone.
    demo = settings.demo_pki_directory
    found += [
        (f"{demo.relative_to(settings.data_dir).as_posix()}/{name}", _public(demo / name))
        for name in DEMO_FILES
        if (demo / name).exists()
    ]
    if len(found) > TRUST_FILES_MAX:
        raise BackupError(f"the settings name more than {TRUST_FILES_MAX} certificates and lists")
    return found


def _public(path: Path) -> bytes:
    try:
        if path.stat().st_size > TRUST_BYTES_MAX:
            raise BackupError(
                f"{path} is too large for a certificate or a list: remove it from there"
            )
        content = path.read_bytes()
    except OSError as error:
        raise BackupError(f"{path} cannot be read ({error.strerror})") from error
    if _SECRET in content:
        raise BackupError(f"{path} has a key in it, and should be public: move the key elsewhere")
    return content


def _is_secret(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is None or SecretStr.__name__ in repr(field.annotation) + repr(field.metadata)


def _toml(value: Any) -> str:
    """Return a value of a settings file as TOML spells it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
