"""`kench officer` and `kench order` as officers and operators run them, with openssl in between."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kench.commands import officer, order
from kench.pool.clock import SystemClock
from kench.pool.errors import KenchError
from kench.pool.moments import moment_text
from kench.pool.orders.register import load_orders
from tests.support.orders import content_of
from tests.support.pki import PIN, SECOND_PIN
from tests.support.registers import officers, trust_settings, verifier

HOUR_US = 3_600_000_000
Run = Callable[..., str]


@pytest.fixture
def run(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command on the test's own database, in the test's own folder; return what it says."""
    for name, value in trust_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KENCH_DATABASE_URL", database)
    monkeypatch.chdir(tmp_path)
    commands = {"order": order, "officer": officer}
    for module in commands.values():
        monkeypatch.setattr(module, "start_logging", lambda _role: None)

    def run_command(role: str, *words: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"kench {role}", *words])
        commands[role].main()
        return capsys.readouterr().out

    return run_command


def draft(folder: Path, **changed: Any) -> None:
    """Write an order in force in an hour, which needs no node."""
    soon_us = (SystemClock().now_us() + HOUR_US) // 1_000_000 * 1_000_000
    content = content_of(1, {"payout": {"threshold_tyiyn": 5}}) | changed
    content["effective"]["moment"] = moment_text(soon_us)
    del content["number"]
    (folder / "draft.json").write_text(json.dumps(content))


def test_an_order_goes_from_draft_to_force(run: Run, tmp_path: Path, engine: sa.Engine) -> None:
    for pin, name in ((PIN, "Асан"), (SECOND_PIN, "Гүлнара")):
        assert "may sign" in run("officer", "add", pin, name, "head")
    draft(tmp_path)
    said = run("order", "draft", "draft.json")
    assert "payout from" in said
    assert "kench order propose order-1.json" in said
    assert "openssl cms -sign" in run("order", "propose", "order-1.json")
    content = (tmp_path / "order-1.json").read_bytes()
    one, two = officers()
    (tmp_path / "1.p7s").write_bytes(one.sign(content))
    (tmp_path / "2.p7s").write_bytes(two.sign(content))
    assert "another officer must" in run("order", "sign", "1", "--signature", "1.p7s")
    with pytest.raises(KenchError, match="already"):
        run("order", "sign", "1", "--signature", "1.p7s")
    assert "waits, 1 of 2" in run("order", "show", "1", "--out", "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == content
    assert "accepted now" in run("order", "sign", "1", "--signature", "2.p7s")
    (entry,) = json.loads(run("order", "list", "--json"))
    assert (entry["number"], entry["state"], len(entry["signers"])) == (1, "accepted", 2)
    assert "Order 1" in run("order", "list")
    with engine.connect() as connection:
        assert load_orders(connection, verifier()).documents[0].content == content


def test_what_cannot_be_is_one_line_that_says_why(run: Run, tmp_path: Path) -> None:
    with pytest.raises(KenchError, match="no personal number"):
        run("officer", "add", "1", "x", "y")
    with pytest.raises(KenchError, match="kench officer list"):
        run("officer", "end", PIN)
    with pytest.raises(KenchError, match="cannot be read"):
        run("order", "draft", "none.json")
    draft(tmp_path, surprise=1)
    with pytest.raises(KenchError, match="surprise"):
        run("order", "draft", "draft.json")
    draft(tmp_path, rules={"fee": {"pool_ppm": 1}}, effective={"height": 5})
    with pytest.raises(KenchError, match=r"effective\.moment is there"):
        run("order", "draft", "draft.json")
    by_height = content_of(1, {"fee": {"pool_ppm": 1}}, height=5)
    (tmp_path / "height.json").write_text(json.dumps(by_height))
    with pytest.raises(KenchError, match="a node must answer"):
        run("order", "propose", "height.json")
    (tmp_path / "1.p7s").write_bytes(b"x")
    with pytest.raises(KenchError, match="kench order propose"):
        run("order", "sign", "1", "--signature", "1.p7s")
    with pytest.raises(KenchError, match="kench order list"):
        run("order", "show", "1")


def test_officers_are_listed_and_end(run: Run) -> None:
    run("officer", "add", PIN, "Асан Усенов", "head")
    assert "signs no more" in run("officer", "end", PIN)
    assert "Асан Усенов" in run("officer", "list")
    (entry,) = json.loads(run("officer", "list", "--json"))
    assert entry["pin"] == PIN
    assert entry["ended_at"] is not None


def test_a_fault_is_one_line_and_each_role_has_help(database: str, tmp_path: Path) -> None:
    def kench(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kench", *words],
            env={**os.environ, "PYTHONWARNINGS": "error", "KENCH_DATABASE_URL": database},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    done = kench("order", "propose", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "openssl cms -sign" in kench("order", "--help").stdout
