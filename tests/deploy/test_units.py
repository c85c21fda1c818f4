"""The units of deploy/systemd: what they run, as whom, how much of the machine they reach."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from kench.cli import ROOTS
from kench.pool.secret_sources import key_names, secret_names
from kench.pool.settings import Settings
from kench.pool.settings_file import read_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEMD = DEPLOY / "systemd"
COMMON = SYSTEMD / "kench-.service.d" / "10-kench.conf"
UNITS = sorted(SYSTEMD.glob("*.service"))
EXPOSURE_MAX = 2.5
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)


@cache
def lines_of(path: Path) -> list[tuple[str, str]]:
    """Each `Name=value` of a unit, in order; a name may stand there several times."""
    kept = [line for line in path.read_text().splitlines() if re.match(r"\w+=", line)]
    return [(name, value) for name, _, value in (line.partition("=") for line in kept)]


def values_of(path: Path, name: str) -> list[str]:
    """The values that a unit gives one name."""
    return [value for given, value in lines_of(path) if given == name]


@each_unit
def test_a_unit_runs_a_role_that_exists(unit: Path) -> None:
    (command,) = values_of(unit, "ExecStart")
    role = command.removeprefix("/opt/kench/.venv/bin/kench ").split()[0]
    assert role in ROOTS
    assert unit.stem.rstrip("@") == f"kench-{role}"


@each_unit
def test_its_accounts_are_made_by_sysusers_and_its_folders_by_tmpfiles(unit: Path) -> None:
    rows = [line.split() for line in (SYSTEMD / "kench.sysusers.conf").read_text().splitlines()]
    users = {row[1] for row in rows if row and row[0] == "u"}
    groups = users | {row[1] for row in rows if row and row[0] == "g"}
    (user,), (group,) = values_of(unit, "User"), values_of(unit, "Group")
    assert user in users
    assert {group, *" ".join(values_of(unit, "SupplementaryGroups")).split()} <= groups
    rows = [line.split() for line in (SYSTEMD / "kench.tmpfiles.conf").read_text().splitlines()]
    made = {row[1]: row[3:5] for row in rows if row and row[0] == "d"}
    for folder in values_of(unit, "ReadWritePaths"):
        assert {user, group} & set(made[folder]), f"{user} may not write {folder}"
    hidden = " ".join(values_of(unit, "InaccessiblePaths")).split()
    assert {folder.lstrip("-") for folder in hidden} <= made.keys()


@each_unit
def test_what_it_is_handed_as_a_credential_is_a_setting(unit: Path) -> None:
    role = unit.stem.rstrip("@").removeprefix("kench-")
    handed = values_of(unit, "LoadCredential")
    assert "database_url" in {one.partition(":")[0] for one in handed}
    for one in handed:
        name, _, source = one.partition(":")
        assert name in {*secret_names(Settings), *key_names(Settings)}
        # No path: systemd looks in /etc/credstore, and goes on where there is nothing.
        assert source == f"kench.{role}.{name}"


@each_unit
def test_it_reaches_little_of_the_machine(unit: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze: apt-get install systemd")
    said = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert found, said.stderr
    assert float(found[1]) < EXPOSURE_MAX, said.stdout


def test_systemd_understands_every_line() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze: apt-get install systemd")
    said = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, UNITS)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    ours = [line for line in said.stderr.splitlines() if "kench" in line]
    # Nothing is installed in /opt/kench here.
    assert [line for line in ours if "is not executable" not in line] == []


def test_the_hardening_stands_in_one_place() -> None:
    of_all = {name for name, _ in lines_of(COMMON)} - {"Environment", "EnvironmentFile"}
    for unit in UNITS:
        own = {name for name, _ in lines_of(unit)}
        assert own & of_all <= {"RestartSec", "InaccessiblePaths"}


def test_the_example_settings_are_read_without_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENCH_CONFIG", str(DEPLOY / "kench.toml.example"))
    settings = read_settings()
    assert settings.network == "main"
    assert settings.cabinet_origin == "https://cabinet.example.kg"
    assert settings.database_url
    assert "@" not in settings.database_url.get_secret_value()


def test_the_environment_of_the_units_is_one_of_settings() -> None:
    for path in (COMMON, *UNITS):
        for value in values_of(path, "Environment"):
            for pair in value.split():
                name = pair.partition("=")[0].removeprefix("KENCH_").lower()
                assert name in Settings.model_fields or name in {"config", "data"}, path
