"""`kench payout` and `kench statement` as an operator runs them, from balance to bank and back."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.commands import payout, statement
from kench.payouts.proceeds.write import Lot, settle_lot
from kench.pool.errors import KenchError
from kench.pool.register import add_participant
from kench.pool.settings_file import SettingsError
from tests.payouts.bank.files import ACCOUNT, Line, camt, pain002
from tests.payouts.bank.purse import VENUE_ACCOUNT
from tests.payouts.sold import AT as SOLD_AT
from tests.payouts.sold import ORDERS, add_sold_lot, hash_of, part
from tests.support.registers import accept_orders, trust_settings

ID = "KENCH-00000001-0000000001"
Run = Callable[..., str]


@pytest.fixture
def run(
    database: str,
    engine: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command on a pool with a settled lot of 200,000 tyiyn; return what it says."""
    variables = trust_settings(tmp_path) | {
        "KENCH_DATABASE_URL": database,
        "KENCH_DATA": str(tmp_path),
        "KENCH_BANK_HOLDER": "ОАО Кенч",
        "KENCH_BANK_ACCOUNT": ACCOUNT,
        "KENCH_BANK_CODE": "109018",
        "KENCH_BANK_VENUE_ACCOUNTS": f"paper={VENUE_ACCOUNT}",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    accept_orders(engine)
    with engine.begin() as connection:
        for name in ("Кең-Өзөн", "B"):
            add_participant(connection, name)
        lot = Lot(hash_of("block", 0), 0)
        add_sold_lot(connection, lot, {1: 100}, [part(lot, 0, 100, 200_000)])
        settle_lot(connection, lot, ORDERS, SOLD_AT)
    for module in (payout, statement):
        monkeypatch.setattr(module, "start_logging", lambda _role: None)

    def run_command(role: str, *words: str, status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", [f"kench {role}", *words])
        done = {"payout": payout.main, "statement": statement.main}[role]()
        assert (done or 0) == status
        return capsys.readouterr().out

    return run_command


def file_of(folder: Path, raw: bytes) -> str:
    path = folder / "bank.xml"
    path.write_bytes(raw)
    return str(path)


def test_from_balance_to_bank_and_back(run: Run, tmp_path: Path) -> None:
    proceeds = Line("2000.00", "CRDT", reference="V1", counterparty=VENUE_ACCOUNT)
    assert "venue_credited" in run("payout", "take", file_of(tmp_path, camt(proceeds)))
    assert "no account" in run("payout", "make")
    account = ("--holder", "Кең-Өзөн", "--number", "1" * 16, "--bank", "demikg22")
    assert "version 1" in run("payout", "account", "1", *account)
    assert "DEMIKG22" in run("payout", "account")
    said = run("payout", "make")
    assert "1 payouts, 196000 tyiyn, by order 1" in said
    path = tmp_path / "bank" / "out" / "KENCH-00000001.xml"
    assert str(path) in said
    assert "no file is missing" in run("payout", "send")
    path.unlink()
    assert str(path) in run("payout", "send")
    assert "nobody is paid" in run("payout", "make")
    said = run("payout", "take", file_of(tmp_path, pain002((ID, "RJCT"))))
    assert "1 entries taken, 0 to look at" in said
    (entry,) = json.loads(run("payout", "list", "--json"))
    assert (entry["state"], entry["reason"], entry["amount_tyiyn"]) == (
        "rejected", "AC04 closed", 196_000,
    )  # fmt: skip
    # It is booked all the same: somebody must look, and nothing is posted.
    booked = file_of(tmp_path, camt(Line("1960.00", end_to_end_id=ID)))
    assert "! conflict" in run("payout", "take", booked, status=1)
    assert "rejected" in run("payout", "show", ID)


def test_a_statement_is_written_in_every_form(run: Run, tmp_path: Path, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        query = "SELECT to_char(now() AT TIME ZONE 'Asia/Bishkek', 'YYYY-MM')"
        month = connection.scalar(sa.text(query))
    said = run("statement", "1", month, "--format", "json,csv,xlsx,pdf", "--out", "shown")
    assert "is not over" in said
    files = {path.name: path for path in (tmp_path / "shown").iterdir()}
    assert set(files) == {f"kench-1-{month}.{form}" for form in ("json", "csv", "xlsx", "pdf")}
    record = json.loads(files[f"kench-1-{month}.json"].read_text())
    assert record["money_closing"] == {"due_tyiyn": 196_000, "leaving_tyiyn": 0}
    assert files[f"kench-1-{month}.pdf"].read_bytes().startswith(b"%PDF")


FAULTS = (
    (("payout", "account", "1"), "--holder"),
    (("payout", "account", "9", "--holder", "x", "--number", "1" * 16, "--bank", "109018"),
     "no participant 9"),
    (("payout", "account", "x", "--holder", "x", "--number", "1" * 16, "--bank", "109018"),
     "participant list"),
    (("payout", "account", "1", "--holder", "x", "--number", "1", "--bank", "109018"),
     "bank_account_pattern"),
    (("payout", "show", "nothing"), "payout list"),
    (("payout", "take", "no-such-file"), "another FILE"),
    (("statement", "1", "2026-13"), "2026-11"),
    (("statement", "1", "2020-01", "--format", "doc"), "--format"),
    (("statement", "77", "2026-01"), "no participant"),
)  # fmt: skip


def test_what_cannot_be_is_one_line_that_says_why(run: Run) -> None:
    for words, reason in FAULTS:
        with pytest.raises(KenchError, match=reason):
            run(*words)


def test_without_an_account_of_ones_own_nothing_is_paid(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KENCH_BANK_CODE")
    with pytest.raises(KenchError, match="KENCH_BANK_CODE"):
        run("payout", "make")
    monkeypatch.setenv("KENCH_BANK_VENUE_ACCOUNTS", "paper")
    with pytest.raises(SettingsError, match="venue=number"):
        run("payout", "make")
