"""Reading the settings: faults of any source become one line that names what to change."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from kench.pool.door_settings import DoorSettings
from kench.pool.errors import KenchError
from kench.pool.secret_files import SecretFileError
from kench.pool.secret_sources import FILE_SUFFIX, secret_names, variable_of
from kench.pool.settings import Settings
from kench.pool.tax_settings import TaxClient
from kench.pool.venue_settings import VenueSettings

# Variables of ours that are no settings: where the file is, how the native code is chosen, and
# secrets that go to one process only.
OTHER_VARIABLES = frozenset(
    {
        "KENCH_CONFIG",
        "KENCH_DATA",
        "KENCH_MINE_PASSWORD",
        "KENCH_NATIVE_DISABLE",
        "KENCH_NATIVE_REQUIRE",
        "KENCH_NATIVE_SANITIZE",
        "KENCH_NODE_RPC_PASSWORD",
        "KENCH_NODE_RPC_USER",
        "KENCH_UP_PID",
    }
)
ENTRIES: dict[str, type[BaseModel]] = {
    "doors": DoorSettings,
    "venues": VenueSettings,
    "tax_clients": TaxClient,
}
"""Settings that are lists of entries with keys of their own."""
TEST_PREFIX = "KENCH_TEST_"
"""Variables that only the tests read."""


class SettingsError(KenchError):
    """A setting is unknown, malformed, or contradicts another."""


def setting_variables() -> set[str]:
    """Return the variables of all settings, and those that name files with secret ones."""
    names = [*Settings.model_fields, *(name + FILE_SUFFIX for name in secret_names(Settings))]
    return {variable_of(name) for name in names}


def read_settings(**flags: object) -> Settings:
    """Settings of flags, environment, TOML file and defaults; a flag that is None is not given.

    Raises SettingsError with one line.
    """
    _check_environment(os.environ)
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]  # pydantic checks each value
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except SecretFileError as error:
        raise SettingsError(str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings file is no TOML: {error}") from error
    except OSError as error:
        raise SettingsError(
            f"cannot read the settings file {error.filename}: {error.strerror}"
        ) from error


def _check_environment(environment: Mapping[str, str]) -> None:
    known = OTHER_VARIABLES | setting_variables()
    for name in sorted(environment):
        if name.startswith("KENCH_") and not name.startswith(TEST_PREFIX) and name not in known:
            raise SettingsError(
                f"unknown variable {name}{_nearest(name, known)}; docs/settings.md lists all"
            )
    config = environment.get("KENCH_CONFIG")
    if config and not Path(config).is_file():
        raise SettingsError(f"KENCH_CONFIG names {config}, which is no file")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]}?" if close else ""


def _explain(error: ValidationError) -> str:
    """One line for the first fault; the value itself is left out, since it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    name = str(first["loc"][0])
    if name == "KENCH_DATA":
        name = "data_dir"
    inner = [part for part in first["loc"][1:] if isinstance(part, str)]
    if name in ENTRIES and len(first["loc"]) > 1:
        field = inner[0] if inner else ""
        return _explain_entry(name, first["loc"][1], field, first["type"], message)
    if first["type"] == "extra_forbidden":
        nearest = _nearest(name, Settings.model_fields)
        return f"unknown setting {name}{nearest}; docs/settings.md lists all"
    return f"setting {name} ({variable_of(name)}): {message}"


def _explain_entry(name: str, at: int | str, field: str, kind: str, message: str) -> str:
    """Name the entry by its place in the list, counted from one as people do."""
    entry = at + 1 if isinstance(at, int) else at
    where = f"setting {name} ({variable_of(name)}), entry {entry}"
    if kind == "extra_forbidden":
        nearest = _nearest(field, ENTRIES[name].model_fields)
        return f"{where}: unknown key {field}{nearest}; docs/settings.md lists all"
    return f"{where}, {field}: {message}" if field else f"{where}: {message}"
