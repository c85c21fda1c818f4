"""A statement ties in both assets, or is not given out."""

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from kench.payouts.statements.read import average_price
from kench.payouts.statements.statement import (
    CoinBalance,
    MoneyBalance,
    StatementError,
    StatementNotTiedError,
    check_ties,
    period_of,
)
from tests.payouts.statements.samples import EMPTY, LOT, STATEMENT


def test_a_month_is_one_of_bishkek() -> None:
    period = period_of("2026-12")
    assert period.begins == datetime.fromisoformat("2026-12-01T00:00:00+06:00")
    assert period.ends == datetime.fromisoformat("2027-01-01T00:00:00+06:00")
    for wrong in ("2026-13", "2026-1", "26-11", "1999-01", "2026-11-01", "", "2026-11\n"):
        with pytest.raises(StatementError):
            period_of(wrong)


def test_a_statement_that_ties_is_given_out() -> None:
    check_ties(STATEMENT)
    check_ties(EMPTY)


@pytest.mark.parametrize(
    "changes",
    [
        {"coins_opening": CoinBalance(187_500_001, 0)},
        {"coins_closing": CoinBalance(0, 1)},
        {"coins": STATEMENT.coins[1:]},
        {"coins": (*STATEMENT.coins, STATEMENT.coins[2])},
        {"money_opening": MoneyBalance(99, 0)},
        {"money_closing": MoneyBalance(1_606_171_975, 1)},
        {"payouts": STATEMENT.payouts[:-1]},
        {"payouts": STATEMENT.payouts[1:]},
        {"lots": ()},
        {"lots": (replace(LOT, net_tyiyn=LOT.net_tyiyn - 1),)},
        {"lots": (replace(LOT, amount_sat=1),)},
        {"lots": (replace(LOT, venue_fee_tyiyn=0),)},
    ],
)
def test_a_statement_that_does_not_tie_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementNotTiedError, match="kench audit"):
        check_ties(replace(STATEMENT, **changes))


def test_its_json_is_the_same_bytes_each_time_and_says_all() -> None:
    raw = STATEMENT.canonical()
    assert raw == STATEMENT.canonical()
    content = json.loads(raw)
    assert content["kench_statement"] == 1
    assert content["lots"][0]["fills"][0]["trade_id"] == "t-1"
    again = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert again.encode() == raw


def test_a_price_is_weighted_by_volume() -> None:
    assert average_price([Decimal("10.00"), Decimal("30.00")], 400) == "10000000.00"
    assert average_price([Decimal("0.005")], 100_000_000) == "0.00"
    assert average_price([Decimal("0.015")], 100_000_000) == "0.02"
