"""A month read from real books: each tyiyn traced, opening to closing, or refused."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.payouts.bank.account import BankAccount
from kench.payouts.bank.directory import set_account
from kench.payouts.proceeds.write import Lot, settle_lot
from kench.payouts.statements.read import read_statement
from kench.payouts.statements.statement import (
    CoinBalance,
    MoneyBalance,
    Period,
    Statement,
    StatementError,
    StatementNotTiedError,
    period_of,
    totals,
)
from kench.pool.database import Role, open_engine
from kench.pool.register import add_participant
from tests.payouts.bank.files import Line, camt, pain002
from tests.payouts.bank.purse import AT, arrive, make, taken
from tests.payouts.sold import AT as SOLD_AT
from tests.payouts.sold import ORDERS, add_sold_lot, hash_of, part, reference_of

LOTS = [Lot(hash_of("block", number), 0) for number in range(2)]
E1 = "KENCH-00000001-0000000001"
E2 = "KENCH-00000001-0000000002"
NOW = datetime(2031, 5, 20, tzinfo=UTC)
APRIL, MAY = period_of("2031-04"), period_of("2031-05")


def settle(connection: sa.Connection, number: int) -> None:
    """A lot of 100 satoshi, 70 of them of participant 1, sold in two fills."""
    lot = LOTS[number]
    fills = [part(lot, 0, 40, 4001, 3), part(lot, 1, 60, 6007, 5)]
    add_sold_lot(connection, lot, {1: 70, 2: 30}, fills, sequence=number)
    settle_lot(connection, lot, ORDERS, SOLD_AT)


@pytest.fixture
def books(engine: sa.Engine) -> sa.Engine:
    """One lot settled in April, another in May, in which a payout was made, booked and returned."""
    with engine.begin() as connection:
        add_participant(connection, "Кең-Өзөн")
        add_participant(connection, "B")
        for number in (1, 2):
            account = BankAccount("x", f"{number:016}", "109018")
            set_account(connection, number, account, None, AT)
        settle(connection, 0)
        date(connection, "2031-04-30 17:59:59+00")
    with engine.begin() as connection:
        settle(connection, 1)
        arrive(connection, "b1", 20_000)
        date(connection, "2031-04-30 18:00:00+00")
        # 2 % of 10,008 tyiyn are the pool's, 8 the venue's: 70 % of 9,800 are 6,860 for each lot.
        assert make(connection).total_tyiyn == 19_600
        paid = Line("137.20", end_to_end_id=E1)
        taken(connection, camt(paid, Line("137.20", "CRDT", E1, "R2", return_reason="AC04")))
        date(connection, "2031-05-10 00:00:00+00")
    return engine


def date(connection: sa.Connection, moment: str) -> None:
    """Let all that was written just now have been written then."""
    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    connection.exec_driver_sql("ALTER TABLE transfers DISABLE TRIGGER append_only")
    connection.execute(
        sa.text("UPDATE transfers SET created_at = :at WHERE created_at < '2031-01-01'"),
        {"at": moment},
    )
    connection.exec_driver_sql("ALTER TABLE transfers ENABLE TRIGGER append_only")
    connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")


def read(
    database: str, period: Period = MAY, participant_id: int = 1, now: datetime = NOW
) -> Statement:
    """As the reading role does, which may read no more than it needs."""
    engine = open_engine(database, Role.READ, application_name="test", pool_size=1)
    try:
        with engine.begin() as connection:
            return read_statement(connection, participant_id, period, now)
    finally:
        engine.dispose()


def test_a_month_has_its_lots_payouts_and_balances(books: sa.Engine, database: str) -> None:
    may = read(database)
    assert (may.participant_name, may.month, may.is_whole) == ("Кең-Өзөн", "2031-05", False)
    assert may.begins == "2031-05-01T00:00:00+06:00"
    assert may.coins_opening == may.coins_closing == CoinBalance(0, 0)
    assert [line.kind for line in may.coins] == ["found", "matured", "sold"]
    assert may.money_opening == MoneyBalance(6860, 0)
    assert may.money_closing == MoneyBalance(13_720, 0)
    assert [(line.kind, line.amount_tyiyn, line.reason) for line in may.payouts] == [
        ("ordered", 13_720, ""), ("paid", 13_720, ""), ("returned", 13_720, "AC04 closed"),
    ]  # fmt: skip
    (lot,) = may.lots
    assert f"{lot.coinbase_txid}:{lot.vout}" == reference_of(LOTS[1])
    assert (lot.amount_sat, lot.lot_sold_sat, lot.lot_gross_tyiyn) == (70, 100, 10_008)
    # 8 and 200 tyiyn of fees for the whole lot.
    assert (lot.venue_fee_tyiyn, lot.pool_fee_tyiyn, lot.net_tyiyn) == (6, 140, 6860)
    assert lot.gross_tyiyn == 6860 + 6 + 140
    assert lot.price_kgs == "100080000.00"
    assert [(fill.amount_sat, fill.gross_tyiyn) for fill in lot.fills] == [(40, 4001), (60, 6007)]
    assert lot.fee_order == 1
    assert lot.work_hashes == "1"


def test_months_follow_each_other_without_a_gap(books: sa.Engine, database: str) -> None:
    april, may = read(database, APRIL), read(database)
    assert april.is_whole
    assert april.money_closing == may.money_opening
    assert april.coins_closing == may.coins_opening
    assert totals(april.lots)["net_tyiyn"] == 6860
    later = read(database, APRIL, now=datetime(2040, 1, 1, tzinfo=UTC))
    assert later.canonical() == april.canonical()
    # The last second of April in Bishkek.
    assert april.lots[0].at == "2031-04-30T23:59:59+06:00"


def test_another_participant_has_a_statement_of_its_own(books: sa.Engine, database: str) -> None:
    may = read(database, participant_id=2)
    assert may.money_closing == MoneyBalance(5880, 5880)
    assert [line.kind for line in may.payouts] == ["ordered"]


def test_a_rejected_payout_is_back_in_the_balance(books: sa.Engine, database: str) -> None:
    with books.begin() as connection:
        taken(connection, pain002((E2, "RJCT")))
        date(connection, "2031-05-11 00:00:00+00")
    may = read(database, participant_id=2)
    assert may.money_closing == MoneyBalance(5880, 0)
    assert [(line.kind, line.amount_tyiyn, line.reason) for line in may.payouts] == [
        ("ordered", 5880, ""), ("rejected", 5880, "AC04 closed"),
    ]  # fmt: skip


def test_who_and_what_there_is_no_statement_of(books: sa.Engine, database: str) -> None:
    with pytest.raises(StatementError, match="no participant 99"):
        read(database, participant_id=99)
    with pytest.raises(StatementError, match="has not begun"):
        read(database, period_of("2031-06"))


TAMPERING = (
    "UPDATE lot_settlement_lines SET net_tyiyn = net_tyiyn - 1 WHERE participant_id = 1",
    "UPDATE transfers SET amount = amount + 1 WHERE credit_account = 'participant:1:kgs'",
    "UPDATE accounts SET credits_posted = credits_posted + 1 WHERE code = 'participant:1'",
    "DELETE FROM transfers WHERE debit_account = 'participant:1:kgs' AND kind = 'post'",
    "DELETE FROM lot_settlement_lines WHERE participant_id = 1",
)


def test_books_that_were_tampered_with_give_no_statement(books: sa.Engine) -> None:
    for change in TAMPERING:
        with books.connect() as connection, connection.begin() as transaction:
            # The rows alone, as somebody would who puts all guards to sleep.
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(change)
            with pytest.raises(StatementNotTiedError, match="kench audit"):
                read_statement(connection, 1, MAY, NOW)
            transaction.rollback()


def test_the_reading_role_writes_nothing(books: sa.Engine, database: str) -> None:
    engine = open_engine(database, Role.READ, application_name="test", pool_size=1)
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO bank_accounts SELECT * FROM bank_accounts")
    engine.dispose()
