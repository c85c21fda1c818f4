"""Writes docs/settings.md from the settings themselves: `python -m kench.pool.settings_doc`.

A test compares the page with what this prints, so the page is always true.
"""

import ast
import inspect
import sys
from itertools import pairwise

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from kench.pool.backup_settings import BackupSettings
from kench.pool.bank_settings import BankSettings
from kench.pool.cabinet_settings import CabinetSettings
from kench.pool.door_settings import DoorSettings
from kench.pool.feed_settings import FeedSettings
from kench.pool.journal_settings import JournalSettings
from kench.pool.metrics_settings import MetricsSettings
from kench.pool.nats_settings import NatsSettings
from kench.pool.secret_sources import key_names, secret_names, variable_of
from kench.pool.settings import Settings
from kench.pool.signature_settings import SignatureSettings
from kench.pool.standby_settings import StandbySettings
from kench.pool.statistics_settings import StatisticsSettings
from kench.pool.tax_settings import TaxClient, TaxSettings
from kench.pool.venue_settings import VenueSettings
from kench.pool.wire_settings import WireSettings

HEAD = """\
# Settings

Strongest first: flags of a command, `KENCH_...` environment variables, a TOML file, defaults.
The file is the one that `KENCH_CONFIG` names, else `kench.toml` in the data folder; its keys are
the names below, at its top level. A name that is not below is refused. Lists are written with
blanks or commas between their entries in the environment, as arrays in TOML; `doors`, `venues` and
`tax_clients` are JSON arrays of objects in the environment, tables `[[doors]]`, `[[venues]]` and
`[[tax_clients]]` at the end of the file in TOML.

A setting marked *secret* may hold a password. `NAME_file` (`KENCH_NAME_FILE`) is the path of a
private file with its value; a password in a variable or a flag is refused, and so is a settings
file that has one and that others may read. Settings marked *private file* are paths of such files:
mode 600 or less, or 640 where root owns it. Systemd may hand each of both to a service as a
credential of the setting's name (`LoadCredential=database_url:/etc/kench/database_url`); a path
`%d/NAME` is a credential too.

| setting | variable | default | range | meaning |
|---|---|---|---|---|
"""
DOORS = """
Keys of an entry of `doors` (those of difficulty and host that are unset are as at the first door,
as far as the others allow):

| key | default | range | meaning |
|---|---|---|---|
"""
VENUES = """
Keys of an entry of `venues`:

| key | default | range | meaning |
|---|---|---|---|
"""
CLIENTS = """
Keys of an entry of `tax_clients`:

| key | default | range | meaning |
|---|---|---|---|
"""
TAIL = """
Variables that are no settings:

| variable | meaning |
|---|---|
| `KENCH_CONFIG` | path of the TOML file |
| `KENCH_MINE_PASSWORD` | password for `kench mine URL USER -` |
| `KENCH_NODE_RPC_USER`, `KENCH_NODE_RPC_PASSWORD` | login that `kench node` asks for instead of its cookie file |
| `KENCH_NATIVE_DISABLE=1` | take the plain-Python arithmetic (tests; production roots refuse) |
| `KENCH_NATIVE_REQUIRE=1` | refuse the plain-Python arithmetic |
| `KENCH_NATIVE_SANITIZE=1` | build the native code with AddressSanitizer and UBSan |
| `KENCH_UP_PID` | set by `kench up` for its parts, which end when it does |
| `KENCH_TEST_...` | read by the tests alone |
"""  # noqa: E501 - rows of a table
MIXED_IN = {
    name
    for part in (
        CabinetSettings,
        SignatureSettings,
        BackupSettings,
        BankSettings,
        StandbySettings,
        NatsSettings,
        FeedSettings,
        JournalSettings,
        TaxSettings,
        StatisticsSettings,
        WireSettings,
        MetricsSettings,
    )
    for name in part.model_fields
}
SIGNS = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}
ENDLESS = 2.0**62
"""A bound beyond this is no bound that anybody meets."""


def render() -> str:
    """Return the page."""
    # Settings of its own come first, then those that it mixes in.
    named = sorted(Settings.model_fields.items(), key=lambda item: item[0] in MIXED_IN)
    said = meanings_of(Settings)
    rows = [_row(name, field, said.get(name, "")) for name, field in named]
    entries = ((DOORS, DoorSettings), (VENUES, VenueSettings), (CLIENTS, TaxClient))
    tables = [head + "".join(_entry_rows(entry)) for head, entry in entries]
    return HEAD + "".join(rows) + "".join(tables) + TAIL


def meanings_of(settings: type[BaseModel]) -> dict[str, str]:
    """Return what is written under each field, of the class and of those it is made of.

    It is read from the source, and only here: a process that reads settings has no use for it.
    """
    said: dict[str, str] = {}
    for part in reversed(settings.__mro__):
        if not part.__module__.startswith("kench."):
            continue
        lines = [line for one in ast.parse(inspect.getsource(part)).body
                 if isinstance(one, ast.ClassDef) for line in one.body]  # fmt: skip
        for field, text in pairwise(lines):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                said[field.target.id] = " ".join(str(text.value.value).split())
    return said


def _row(name: str, field: FieldInfo, meaning: str) -> str:
    default, bounds = _default(field.default), _range(field)
    return (
        f"| `{name}` | `{variable_of(name)}` | {default} | {bounds} | {_marked(name)}{meaning} |\n"
    )


def _marked(name: str) -> str:
    if name in secret_names(Settings):
        return "*secret* "
    return "*private file* " if name in key_names(Settings) else ""


def _entry_rows(settings: type[BaseModel]) -> list[str]:
    said = meanings_of(settings)
    return [_entry_row(name, field, said[name]) for name, field in settings.model_fields.items()]


def _entry_row(name: str, field: FieldInfo, meaning: str) -> str:
    default = "needed" if field.is_required() else _default(field.default)
    return f"| `{name}` | {default} | {_range(field)} | {meaning} |\n"


def _default(value: object) -> str:
    if value is None or value in {(), ""}:
        return "unset"
    if isinstance(value, tuple):
        return " ".join(f"`{one}`" for one in value)
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, SecretStr):
        raise TypeError("a secret has no default")
    if isinstance(value, float):
        return "none" if value >= ENDLESS else f"`{value:g}`"
    return f"`{value}`"


def _range(field: FieldInfo) -> str:
    bounds = []
    for bound in field.metadata:
        for kind, sign in SIGNS.items():
            if isinstance(bound, kind):
                limit = getattr(bound, kind.__name__.lower())
                if limit < ENDLESS:
                    bounds.append(f"{sign} {limit}")
    return ", ".join(bounds)


if __name__ == "__main__":
    sys.stdout.write(render())
