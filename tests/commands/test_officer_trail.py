"""`kench officer` gives and ends roles; `kench trail` tells whether the trail of it is whole."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.commands import officer, trail
from kench.commands.files import HandedFileError
from kench.payouts.trail.sealing import seal_batch
from kench.pool.orders.officers import OfficerError
from tests.support.registers import unguarded

PIN = "21507198500123"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command on the test's own database; return its status and what it says."""
    monkeypatch.setenv("KENCH_DATABASE_URL", database)
    monkeypatch.chdir(tmp_path)
    commands = {"officer": officer.main, "trail": trail.main}
    for module in (officer, trail):
        monkeypatch.setattr(module, "start_logging", lambda _role: None)

    def run_command(role: str, *words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [f"kench {role}", *words])
        status = commands[role]()
        return status or 0, capsys.readouterr().out

    return run_command


def test_roles_are_given_and_ended_by_command(run: Run) -> None:
    _, said = run("officer", "add", PIN, "Асан", "head", "--role", "head", "--role", "registrar")
    assert "at the desk: registrar, head" in said
    _, said = run("officer", "role", PIN, "--add", "finance", "--end", "head", "--end", "registrar")
    assert "at the desk: finance" in said
    with pytest.raises(OfficerError, match="is finance already"):
        run("officer", "role", PIN, "--add", "finance")
    with pytest.raises(OfficerError, match="is not head"):
        run("officer", "role", PIN, "--end", "head")
    with pytest.raises(OfficerError, match="no officer"):
        run("officer", "role", "10101199000001", "--add", "head")
    with pytest.raises(SystemExit):
        run("officer", "role", PIN, "--add", "king")
    (entry,) = json.loads(run("officer", "list", "--json")[1])
    assert [(one["role"], one["until"] is None) for one in entry["roles"]] == [
        ("head", False), ("registrar", False), ("finance", True),
    ]  # fmt: skip
    _, said = run("officer", "role", PIN, "--end", "finance")
    assert "no role at the desk" in said


def test_the_trail_is_verified_exported_and_checked_by_command(
    run: Run, engine: sa.Engine, tmp_path: Path
) -> None:
    run("officer", "add", PIN, "Асан", "head of department", "--role", "head")
    with engine.begin() as db:
        assert seal_batch(db) is not None
    status, said = run("trail", "verify")
    assert (status, "kench trail: it holds" in said) == (0, True)
    known = f"2:{said.partition('ends with    2:')[2][:64]}"
    assert run("trail", "verify", "--known", known)[0] == 0
    assert run("trail", "verify", "--known", "3" + known[1:])[0] == 1
    assert run("trail", "export", "--output", "trail.zip")[0] == 0
    assert (tmp_path / "trail.zip").stat().st_mode & 0o777 == 0o600
    with pytest.raises(HandedFileError, match="is there already"):
        run("trail", "export", "--output", "trail.zip")
    status, said = run("trail", "check", "trail.zip", "--json")
    assert (status, json.loads(said)["lines"]) == (0, 2)
    with unguarded(engine) as db:
        db.exec_driver_sql("UPDATE acts SET detail = 'finance' WHERE detail = 'head'")
    status, said = run("trail", "verify")
    assert (status, "line 2 was changed" in said) == (1, True)
    # What was exported before is still what was sealed.
    assert run("trail", "check", "trail.zip")[0] == 0
    run("trail", "export", "--output", "changed.zip")
    assert run("trail", "check", "changed.zip")[0] == 1
