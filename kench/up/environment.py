"""What the parts are told: settings through `KENCH_...` environment, secrets by files."""

import json
import os
from collections.abc import Collection, Container
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel, SecretStr

from kench.pool.secret_sources import FILE_SUFFIX, secret_names, tell_secret, variable_of
from kench.pool.settings import Settings
from kench.pool.settings_file import setting_variables

SHARES_PER_BLOCK = 32
"""With the embedded node, a block takes about this many shares at the highest difficulty."""
REGTEST_DIFFICULTY = 4.656542373906925e-10
"""Difficulty of regtest's own target: about two hashes a block."""
TRIAL_DIFFICULTY = 0.001
"""Start difficulty on a regtest of others: a few shares a second from one core."""


def base_environment() -> dict[str, str]:
    """Return our environment without any setting of ours: `PATH`, locale and the like."""
    settings = setting_variables() | {"KENCH_CONFIG"}
    return {name: value for name, value in os.environ.items() if name not in settings}


def variables_of(settings: Settings, names: Collection[str] | None = None) -> dict[str, str]:
    """Return settings as their variables, all or those of `names`; what is None is left out.

    Secrets are written to files of `DATA/run/secrets`, and the variables name those.
    """
    secret = secret_names(Settings)
    told: dict[str, str] = {}
    for name, value in settings:
        text = text_of(value)
        if text is None or (names is not None and name not in names):
            continue
        if name in secret:
            told = tell_secret(told, settings.secrets_directory, name, text)
        else:
            told[variable_of(name)] = text
    return told


def variables_beside_file(
    read: Settings, flags: Container[str], settings: Settings
) -> dict[str, str]:
    """Return what the settings file does not say: by flag, by variable, or decided since `read`.

    All else the parts read in the file themselves, anew at each start and reload.
    """
    beside = {
        name
        for name in Settings.model_fields
        if name in flags
        or variable_of(name) in os.environ
        or variable_of(name + FILE_SUFFIX) in os.environ
        or getattr(settings, name) != getattr(read, name)
    }
    told = variables_of(settings, beside)
    config = os.environ.get("KENCH_CONFIG")
    return told | {"KENCH_CONFIG": config} if config else told


def fit_difficulties(settings: Settings, network: str | None) -> Settings:
    """Choose difficulties for a CPU where none were chosen and the coins are worth nothing.

    `network` is that of other people's nodes; None for the embedded one.
    """
    chosen = settings.model_fields_set
    if network is None:
        ceiling = (settings.block_difficulty or REGTEST_DIFFICULTY) / SHARES_PER_BLOCK
        start = ceiling
    elif network == "regtest":
        ceiling, start = settings.max_difficulty, TRIAL_DIFFICULTY
    else:
        return settings
    if "max_difficulty" in chosen:
        ceiling = settings.max_difficulty
    if "start_difficulty" in chosen:
        start = settings.start_difficulty
    floor = settings.min_difficulty if "min_difficulty" in chosen else min(1e-7, start, ceiling)
    # What was chosen stands; what was not gives way to it.
    if "start_difficulty" not in chosen:
        start = max(floor, min(start, ceiling))
    if "max_difficulty" not in chosen:
        ceiling = max(ceiling, start)
    changes = {"start_difficulty": start, "min_difficulty": floor, "max_difficulty": ceiling}
    return settings.model_copy(update=changes)


def text_of(value: object) -> str | None:
    """Return a value as a variable says it; None where it says nothing."""
    if value is None:
        return None
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return json.dumps([one.model_dump(mode="json", exclude_none=True) for one in value])
    if isinstance(value, tuple):
        return " ".join(text_of(part) or "" for part in value) or None
    if isinstance(value, bool):
        return "true" if value else "false"
    plain = isinstance(value, (str, int, Path, IPv4Network, IPv6Network))
    return str(value) if plain else repr(value)
