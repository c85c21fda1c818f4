"""The bank's statements tie to the ledger to the tyiyn; one that is missing is told."""

from datetime import date
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.bank.messages import BankFileError
from kench.payouts.bank.outcomes import Outcome
from kench.payouts.bank.statements import Statement, follow, tie, whole_statements
from kench.pool.database import Role, open_engine
from tests.payouts.bank.files import Line, camt
from tests.payouts.bank.purse import VENUE_ACCOUNT, earn, enter, taken

DAY = date(2026, 11, 23)


def statement(number: int | None, opening: int | None, closing: int | None, day: date = DAY) -> Any:
    return Statement(f"S{number}", number, opening, closing, day)


def outcomes(*statements: Statement) -> list[Outcome]:
    return [remark.outcome for remark in follow(whole_statements(iter(statements)))]


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (statement(8, 100, 50), None),
        (statement(8, 101, 50), Outcome.OPENING_DIFFERS),
        (statement(9, 100, 50), Outcome.STATEMENT_MISSING),
        (statement(9, 101, 50), Outcome.STATEMENT_MISSING),
        (statement(7, 0, 99), Outcome.STATEMENT_UNCLEAR),
        (statement(1, 100, 50, date(2027, 1, 4)), None),
        (statement(1, 101, 50, date(2027, 1, 4)), Outcome.STATEMENT_MISSING),
        (statement(1, 100, 50, date(2026, 12, 1)), Outcome.STATEMENT_MISSING),
        (statement(8, None, 50), None),
    ],
)
def test_a_statement_follows_the_one_before(after: Statement, outcome: Outcome | None) -> None:
    assert outcomes(statement(7, 0, 100), after) == ([outcome] if outcome else [])


def test_without_numbers_the_balances_tell_of_a_gap() -> None:
    first, second = (Statement(name, None, 0, 100, DAY) for name in "ab")
    assert outcomes(first) == []
    assert outcomes(first, second) == [Outcome.STATEMENT_MISSING]
    assert outcomes(first, Statement("b", None, 100, 7, DAY)) == []


def test_a_statement_without_a_closing_balance_is_told_until_its_last_page_comes() -> None:
    first, last = Statement("S", 4, 10, None, None), Statement("S", 4, None, 30, DAY)
    assert outcomes(first) == [Outcome.STATEMENT_UNCLEAR]
    assert whole_statements(iter([first, last, first])) == [Statement("S", 4, 10, 30, DAY)]


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=12), st.data())
def test_any_statement_but_the_ends_is_missed(moves: list[int], data: st.DataObject) -> None:
    balances = [sum(moves[:at]) for at in range(len(moves) + 1)]
    pairs = list(pairwise(balances))
    told = [statement(number, *pair) for number, pair in enumerate(pairs, 1)]
    shuffled = data.draw(st.permutations(told))
    assert outcomes(*shuffled, *shuffled) == []
    if len(told) > 2:
        told.pop(data.draw(st.integers(1, len(told) - 2)))
        assert outcomes(*told) == [Outcome.STATEMENT_MISSING]


def test_the_difference_is_told_with_its_sign() -> None:
    remark = tie(statement(7, 0, 90), 100)
    assert remark.outcome is Outcome.BALANCE_DIFFERS
    assert "closes with 90 tyiyn on 2026-11-23, the ledger has 100: -10 differ" in remark.words


@pytest.fixture
def sell(engine: sa.Engine, database: str) -> sa.Engine:
    with engine.begin() as connection:
        enter(connection, 1)
        earn(connection, "lot1", {1: 100_000})
    return open_engine(database, Role.SELL, application_name="test", pool_size=1)


def take(sell: sa.Engine, *lines: Line, **told: Any) -> list[Outcome]:
    with sell.begin() as connection:
        return [one.outcome for one in taken(connection, camt(*lines, kind="camt.053", **told))]


def credit(amount: str, reference: str, account: str = VENUE_ACCOUNT) -> Line:
    return Line(amount, "CRDT", reference=reference, counterparty=account)


def test_the_newest_closing_balance_is_the_ledgers_as_of_its_day(sell: sa.Engine) -> None:
    first = credit("10.00", "V1")
    told = {"number": 1, "balances": ("0.00", "10.00"), "date": "2026-11-23"}
    assert take(sell, first, **told) == [Outcome.VENUE_CREDITED, Outcome.BALANCED]
    # What the bank tells of the day after is not in it yet.
    later = camt(credit("5.00", "V2")).replace(b"2026-11-23", b"2026-11-24")
    with sell.begin() as connection:
        assert [one.outcome for one in taken(connection, later)] == [Outcome.VENUE_CREDITED]
    assert take(sell, first, **told) == [Outcome.ALREADY, Outcome.BALANCED]
    third = {"number": 3, "balances": ("15.00", "16.00"), "date": "2026-11-25"}
    assert take(sell, credit("1.00", "V3", "777"), **third) == [
        Outcome.UNKNOWN_CREDIT, Outcome.STATEMENT_MISSING, Outcome.BALANCE_DIFFERS,
    ]  # fmt: skip
    # The missing one mends the row of them; the stranger's money stays.
    second = {"number": 2, "balances": ("10.00", "15.00"), "date": "2026-11-24"}
    assert take(sell, credit("5.00", "V2"), **second) == [Outcome.ALREADY, Outcome.BALANCE_DIFFERS]
    sell.dispose()


def test_a_statement_of_another_account_is_refused_though_nothing_moved_on_it(
    sell: sa.Engine,
) -> None:
    with pytest.raises(BankFileError, match="bank_account"):
        take(sell, account="777", balances=("1.00", "1.00"))
    sell.dispose()


def test_what_a_statement_says_is_never_changed(sell: sa.Engine) -> None:
    assert take(sell, balances=("0.00", "0.00")) == [Outcome.BALANCED]
    for statement_ in ("UPDATE bank_statements SET number = 5", "DELETE FROM bank_statements"):
        with pytest.raises(sa.exc.DBAPIError), sell.begin() as connection:
            connection.execute(sa.text(statement_))
    sell.dispose()
