"""`kench audit` prints what there is, whose it is, and what does not agree."""

import json
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.commands import audit
from kench.commands.audit_metrics import MetricsFileError
from kench.payouts.bank.take import OurSide, take
from kench.payouts.proceeds.trace import NoLineError
from kench.payouts.proceeds.write import Lot, settle_lot
from tests.payouts.bank.files import ACCOUNT, camt
from tests.payouts.sold import AT, ORDERS, add_sold_lot, part, reference_of

LOT = Lot("ab" * 32, 0)


@pytest.fixture
def books(engine: sa.Engine, database: str, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    with engine.begin() as connection:
        add_sold_lot(connection, LOT, {1: 60, 2: 40}, [part(LOT, 0, 100, 5000, 20)])
        settle_lot(connection, LOT, ORDERS, AT)
    monkeypatch.setenv("KENCH_DATABASE_URL", database)
    return engine


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["kench audit", *arguments])
    return audit.main()


def test_sound_books_are_told_and_nothing_differs(
    books: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == 0
    text = capsys.readouterr().out
    assert "Trial balance, BTC in satoshi" in text
    assert "participant:kgs (2)" in text
    assert text.splitlines()[-1].startswith("kench audit: nothing differs")
    assert run(monkeypatch, "--all") == 0
    assert "participant:2:kgs" in capsys.readouterr().out


def test_json_has_every_account_and_each_assets_money(
    books: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    accounts = {one["account"]: one for one in told["accounts"]}
    assert accounts["participant:kgs (2)"]["balance"] == 4880
    assert accounts["fee:pool"]["holder"] == "operator"
    assert [one["difference"] for one in told["client_money"]] == [0, 0]
    assert told["differences"] == []


def test_a_participants_money_is_traced_to_its_work(
    books: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--trace", "2", reference_of(LOT)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["line"] == {"amount_sat": 40, "net_tyiyn": 1952}
    assert told["block"]["hash"] == LOT.block_hash
    with pytest.raises(NoLineError, match="no participant's number"):
        run(monkeypatch, "--trace", "x", reference_of(LOT))
    with pytest.raises(NoLineError, match="there is no lot"):
        run(monkeypatch, "--trace", "2", "x:0")


def test_a_difference_is_named_and_the_exit_status_says_so(
    books: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with books.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            sa.text("UPDATE accounts SET credits_posted = 7 WHERE code = 'fee:pool'")
        )
    assert run(monkeypatch) == 1
    text = capsys.readouterr().out
    assert "account fee:pool is not what its transfers make it" in text
    assert "KGS: 93 tyiyn more are had than owed" in text


def test_prometheus_is_told_what_an_audit_found_and_when(
    books: sa.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kench-audit.prom"
    assert run(monkeypatch, "--metrics", str(file)) == 0
    lines = file.read_text().splitlines()
    assert "kench_audit_differences 0.0" in lines
    ended = next(line for line in lines if line.startswith("kench_audit_ended_timestamp_seconds"))
    assert abs(float(ended.split()[1]) - time.time()) < 60
    with books.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            sa.text("UPDATE accounts SET credits_posted = 7 WHERE code = 'fee:pool'")
        )
    assert run(monkeypatch, "--metrics", str(file)) == 1
    assert "kench_audit_differences 0.0" not in file.read_text()
    assert [one.name for one in tmp_path.iterdir()] == [file.name]
    with pytest.raises(MetricsFileError, match="--metrics"):
        run(monkeypatch, "--metrics", str(tmp_path / "nowhere" / "a.prom"))


def test_a_statement_of_the_bank_that_does_not_tie_is_told(
    books: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with books.begin() as connection:
        raw = camt(kind="camt.053", balances=("0.01", "0.01"), number=4)
        take(connection, raw, "s.xml", OurSide(ACCOUNT, {}), AT)
    assert run(monkeypatch) == 1
    text = capsys.readouterr().out
    assert "statement S4 (number 4) of the bank: it closes with 1 tyiyn" in text
    assert "the ledger has 0: +1 differ (balance_differs" in text
