"""`kench install` below a folder: everything in its place, again and again, nothing edited lost."""

import hashlib
import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kench.install.laying import RECORD, Outcome, lay, steps
from kench.install.plan import HIDDEN, InstallError, items, shipped_files

PROGRAM = Path("/opt/kench/.venv/bin/kench")
UNIT = "usr/lib/systemd/system/kench-settle.service"
SETTINGS = "etc/kench/kench.toml"


def laid(root: Path, program: Path = PROGRAM) -> dict[str, Outcome]:
    """Lay everything out; what became of each file."""
    done = lay(steps(items(shipped_files(), root, program), root), root)
    return {str(step.item.target): step.outcome for step in done}


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command itself."""
    kench = Path(sys.executable).parent / "kench"
    return subprocess.run(
        [sys.executable, kench, "install", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    first = laid(tmp_path)
    assert set(first.values()) == {Outcome.NEW}
    assert {UNIT, SETTINGS, "usr/lib/sysusers.d/kench.conf", "usr/local/bin/kench"} <= first.keys()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.service")}
    assert set(laid(tmp_path).values()) == {Outcome.SAME}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.service")} == before


def test_settings_that_were_edited_stay_and_the_new_ones_are_beside_them(tmp_path: Path) -> None:
    laid(tmp_path)
    settings = tmp_path / SETTINGS
    settings.write_text("network = 'regtest'\n")
    for _ in range(2):
        assert laid(tmp_path)[SETTINGS] is Outcome.BESIDE
    assert settings.read_text() == "network = 'regtest'\n"
    beside = settings.with_name("kench.toml.kench-new")
    assert beside.read_text() == (shipped_files() / "kench.toml.example").read_text()


def test_a_unit_that_was_edited_is_replaced_and_kept(tmp_path: Path) -> None:
    laid(tmp_path)
    unit = tmp_path / UNIT
    ours = unit.read_text()
    unit.write_text("[Service]\nExecStart=/bin/mine\n")
    assert laid(tmp_path)[UNIT] is Outcome.REPLACED
    assert unit.read_text() == ours
    assert unit.with_name("kench-settle.service.kept").read_text().endswith("/bin/mine\n")


def test_what_nobody_edited_follows_an_update_silently(tmp_path: Path) -> None:
    laid(tmp_path)
    # As if a version before had written these.
    for name in (UNIT, SETTINGS):
        old = b"# of the version before\n"
        (tmp_path / name).write_bytes(old)
        record = json.loads((tmp_path / RECORD).read_text())
        record[name] = hashlib.sha256(old).hexdigest()
        (tmp_path / RECORD).write_text(json.dumps(record))
    outcomes = laid(tmp_path)
    assert (outcomes[UNIT], outcomes[SETTINGS]) == (Outcome.UPDATED, Outcome.UPDATED)
    assert not list(tmp_path.rglob("*.kept"))
    assert not list(tmp_path.rglob("*.kench-new"))


def test_files_of_other_services_go_where_those_are(tmp_path: Path) -> None:
    assert not [name for name in laid(tmp_path / "bare") if name.startswith("etc/nginx")]
    full = tmp_path / "full"
    for folder in ("etc/nginx/sites-available", "etc/postgresql/15/main/conf.d", "etc/prometheus"):
        (full / folder).mkdir(parents=True)
    assert {
        "etc/nginx/sites-available/kench-cabinet", "etc/postgresql/15/main/conf.d/kench.conf",
        "etc/prometheus/rules/kench.rules.yml",
    } <= laid(full).keys()  # fmt: skip


def test_units_run_what_installs_them_where_services_can_see_it(tmp_path: Path) -> None:
    laid(tmp_path, Path("/srv/pool/bin/kench"))
    units = [
        path.read_text() for path in (tmp_path / "usr/lib/systemd").rglob("*.*") if path.is_file()
    ]
    assert not [text for text in units if "/opt/kench" in text]
    assert "ExecStart=/srv/pool/bin/kench settle" in (tmp_path / UNIT).read_text()
    with pytest.raises(InstallError, match="cannot see"):
        laid(tmp_path, Path(HIDDEN[0], "pool", "kench"))


def test_the_command_says_first_what_it_would_do_then_what_remains(tmp_path: Path) -> None:
    root = tmp_path / "root"
    said = run("--root", root, "--program", PROGRAM, "--dry-run")
    assert said.returncode == 0, said.stderr
    assert not root.exists()
    would = re.search(r"would write (\d+) files", said.stdout)
    assert would
    done = run("--root", root, "--program", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert f"{would[1]} files written" in done.stdout
    assert "What remains for a person" in done.stdout
    key = root / "etc/credstore/kench.settle.evidence_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    again = run("--root", root, "--program", PROGRAM)
    assert "0 files written" in again.stdout
    assert key.read_bytes() == before


def test_a_root_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/lib").write_text("no folder")
    said = run("--root", tmp_path, "--program", PROGRAM)
    assert said.returncode == 1
    assert said.stderr.startswith("kench install: cannot ")
    assert len(said.stderr.splitlines()) == 1
