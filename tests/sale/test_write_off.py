"""A write-off takes from each participant what is unsold of the lot, in the ledger and at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from kench.payouts.audit.balance import client_money, read_accounts
from kench.payouts.audit.invariants import differences
from kench.payouts.proceeds.write import Lot
from kench.payouts.statements.page import html_of
from kench.payouts.statements.read import read_statement
from kench.payouts.statements.statement import CoinBalance, Period
from kench.payouts.statements.texts import text_of
from kench.pool.database import Role, migrate, upgrade
from kench.pool.register import add_participant
from kench.sale.acts import Act
from tests.payouts.sold import add_lot, add_mature_block, hash_of, reference_of
from tests.sale.test_executor import decide, one_lot, state
from tests.sale.world import World, quick_engine

SAT = 20_000_000
PARTLY_SAT = 30_000_000
REFUSED_BP = 9_000


@pytest.fixture
def world(database: str) -> Iterator[World]:
    owner, seller = quick_engine(database), quick_engine(database, Role.SELL)
    yield World(owner, seller)
    owner.dispose()
    seller.dispose()


@pytest.fixture
def refused(world: World) -> str:
    """A block whose one lot the AML provider refused: 20,000,000 sat less 7, and 7."""
    world.screening.scores_bp = {world.txid_of(1): REFUSED_BP}
    block = one_lot(world, SAT)
    world.run(turns=3)
    assert state(world, block) == "refused"
    return block


def given_up(world: World) -> list[tuple[object, ...]]:
    question = """SELECT participant_id, mature_sat, sold_sat, written_off_sat
                  FROM participant_balances ORDER BY 1"""
    with world.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(question))]


def unsound(world: World) -> list[str]:
    with world.owner.connect() as connection:
        money = client_money(read_accounts(connection))
        return [*differences(connection), *(str(one) for one in money if one.difference)]


def test_an_unsold_lot_that_is_written_off_is_owed_to_nobody(world: World, refused: str) -> None:
    assert given_up(world) == [(1, SAT - 7, 0, 0), (2, 7, 0, 0)]
    decide(world, world.lot(refused), Act.WRITE_OFF)
    assert state(world, refused) == "written_off"
    assert given_up(world) == [(1, 0, 0, SAT - 7), (2, 0, 0, 7)]
    assert unsound(world) == []
    with world.engine.connect() as connection:
        (written_off,) = client_money(read_accounts(connection))[0].written_off
    assert written_off == ("written_off", SAT)


def test_of_a_lot_sold_in_part_the_rest_is_written_off_and_the_part_settled(world: World) -> None:
    block = one_lot(world, PARTLY_SAT)
    world.run(turns=2)
    world.rigs["paper"].quote("7000000")
    world.run(turns=3)
    assert state(world, block) == "halted"
    sold_sat = world.lot(block).sold_sat
    assert 0 < sold_sat < PARTLY_SAT
    decide(world, world.lot(block), Act.WRITE_OFF)
    world.run()
    assert state(world, block) == "settled"
    rows = given_up(world)
    assert sum(row[2] for row in rows) == sold_sat
    assert sum(row[3] for row in rows) == PARTLY_SAT - sold_sat
    assert unsound(world) == []


def test_a_statement_shows_what_was_written_off_as_a_movement(world: World, refused: str) -> None:
    decide(world, world.lot(refused), Act.WRITE_OFF)
    with world.owner.begin() as connection:
        add_participant(connection, "A")
        now = datetime.now(UTC) + timedelta(hours=1)
        period = Period("2026-11", now - timedelta(days=1), now + timedelta(days=1))
        statement = read_statement(connection, 1, period, now)
    assert [(line.kind, line.amount_sat) for line in statement.coins] == [
        ("found", SAT - 7), ("matured", SAT - 7), ("written_off", SAT - 7),
    ]  # fmt: skip
    assert statement.coins[-1].block_hash == refused
    assert statement.coins_closing == CoinBalance(0, 0)
    assert statement.lots == ()
    assert text_of("written_off", "ru") in html_of(statement, "ru")


OLD_LOT = Lot(hash_of("block", 0), 0)
# As it was before a write-off had lines: what is left of the lot was of no account.
WRITTEN_OFF_BEFORE = (
    """INSERT INTO lot_remainders
       SELECT block_hash, vout, participant_id, amount_sat, 'written_off' FROM lot_shares""",
    "UPDATE lots SET left_sat = amount_sat, state = 'written_off', version = version + 1",
)


def test_what_was_written_off_before_has_its_lines_from_the_migration_on(
    database: str, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        upgrade(connection, "0016")
    with engine.begin() as connection:
        add_mature_block(connection, OLD_LOT.block_hash, {1: 70, 2: 30})
        add_lot(connection, OLD_LOT, {1: 70, 2: 30})
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in WRITTEN_OFF_BEFORE:
            connection.exec_driver_sql(statement)
    migrate(database)
    with engine.connect() as connection:
        lines = connection.execute(
            sa.text("SELECT debit_account, amount, reference FROM transfers"
                    " WHERE subject = 'write_off' ORDER BY 1")
        ).all()  # fmt: skip
        found = [*differences(connection)]
        owed = connection.execute(
            sa.text(
                "SELECT mature_sat, written_off_sat FROM participant_balances"
                " ORDER BY participant_id"
            )
        ).all()
    reference = reference_of(OLD_LOT)
    assert lines == [("participant:1", 70, reference), ("participant:2", 30, reference)]
    assert owed == [(0, 70), (0, 30)]
    assert found == []


LINE = """
    INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject,
        reference)
    SELECT posting_id('post', 'write_off', reference, 'participant:{who}', 'written_off'), 'post',
        'BTC', 'participant:{who}', 'written_off', {sat}, 'write_off', reference
    FROM (SELECT coinbase_txid || '\\:' || vout AS reference FROM lots) AS lot
"""
REMAINDER = """
    INSERT INTO lot_remainders SELECT block_hash, vout, 2, 7, 'written_off' FROM lot_shares
    WHERE participant_id = 2
"""
RAW = {
    "a line without a write-off": (LINE.format(who=2, sat=7),),
    "a write-off without its line": (REMAINDER,),
    "another's line": (REMAINDER, LINE.format(who=1, sat=7)),
    "another amount": (REMAINDER, LINE.format(who=2, sat=6)),
}


def run(world: World, statements: tuple[str, ...]) -> None:
    with world.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.mark.parametrize("statements", RAW.values(), ids=RAW.keys())
@pytest.mark.usefixtures("refused")
def test_raw_sql_writes_nothing_off_by_halves(world: World, statements: tuple[str, ...]) -> None:
    before = given_up(world)
    with pytest.raises(IntegrityError):
        run(world, statements)
    assert given_up(world) == before
