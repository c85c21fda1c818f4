"""What the parts are told: settings and secrets through `KENCH_...` environment, never argv."""

import json
import os
from collections.abc import Container
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel, SecretStr

from kench.pool.settings import Settings
from kench.pool.settings_file import variable_of

SHARES_PER_BLOCK = 32
"""With the embedded node, a block takes about this many shares at the highest difficulty."""
REGTEST_DIFFICULTY = 4.656542373906925e-10
"""Difficulty of regtest's own target: about two hashes a block."""
TRIAL_DIFFICULTY = 0.001
"""Start difficulty on a regtest of others: a few shares a second from one core."""


def base_environment() -> dict[str, str]:
    """Return our environment without any setting of ours: `PATH`, locale and the like."""
    settings = {variable_of(name) for name in Settings.model_fields} | {"KENCH_CONFIG"}
    return {name: value for name, value in os.environ.items() if name not in settings}


def variables_of(settings: Settings) -> dict[str, str]:
    """Return every setting as its variable; those that are None are left out."""
    texts = {variable_of(name): _text(value) for name, value in settings}
    return {name: text for name, text in texts.items() if text is not None}


def variables_beside_file(
    read: Settings, flags: Container[str], settings: Settings
) -> dict[str, str]:
    """Return what the settings file does not say: by flag, by variable, or decided since `read`.

    All else the parts read in the file themselves, anew at each start and reload.
    """
    named = {name: variable_of(name) for name in Settings.model_fields}
    beside = {
        variable
        for name, variable in named.items()
        if name in flags or variable in os.environ or getattr(settings, name) != getattr(read, name)
    }
    told = {name: text for name, text in variables_of(settings).items() if name in beside}
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


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return json.dumps([one.model_dump(mode="json", exclude_none=True) for one in value])
    if isinstance(value, tuple):
        return " ".join(_text(part) or "" for part in value) or None
    if isinstance(value, bool):
        return "true" if value else "false"
    plain = isinstance(value, (str, int, Path, IPv4Network, IPv6Network))
    return str(value) if plain else repr(value)
