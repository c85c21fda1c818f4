"""Each rule of the books finds what breaks it, and nothing in sound books."""

import os
from collections.abc import Iterator
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.accounts import CLIENTS_BANK, participant_kgs, venue_kgs
from kench.payouts.audit.balance import client_money, read_accounts
from kench.payouts.audit.invariants import INVARIANTS, differences, recompute, whole_tyiyn
from kench.payouts.postings import Posting, Subject, write
from kench.payouts.proceeds.write import Lot, settle_lot
from kench.pool.database import open_engine
from tests.conftest import execute, url_of_database
from tests.payouts.sold import (
    AT,
    ORDERS,
    add_fill,
    add_lot,
    add_mature_block,
    add_payout,
    add_sold_lot,
    book_fill,
    credit,
    part,
    tell_credit,
)

SETTLED, SELLING = Lot("ab" * 32, 0), Lot("cd" * 32, 0)


@pytest.fixture(scope="module")
def books(postgres_url: str, template_name: str) -> Iterator[sa.Engine]:
    """A settled lot, one that is being sold, money at the bank, a payout; nobody changes it."""
    name = f"kench_invariants_{os.getpid()}"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_name}")
    engine = open_engine(url_of_database(postgres_url, name), application_name="test")
    fills = [part(SETTLED, 0, 400, 20_001, 90), part(SETTLED, 1, 600, 31_000, 140)]
    with engine.begin() as connection:
        add_sold_lot(connection, SETTLED, {0: 100, 1: 600, 2: 300}, fills)
        settle_lot(connection, SETTLED, ORDERS, AT)
        add_mature_block(connection, SELLING.block_hash, {1: 500, 2: 500}, sequence=1)
        add_lot(connection, SELLING, {1: 500, 2: 500})
        credit(connection, SELLING, 1000)
        fill = part(SELLING, 0, 300, 9000, 45)
        add_fill(connection, SELLING, fill, 0)
        book_fill(connection, fill)
        add_payout(connection, "E-1", 1, 500)
        tell_credit(connection, "B-1", 30_000)
        paid = Posting.pend(Subject.PAYOUT, "E-1", participant_kgs(1), CLIENTS_BANK, 500)
        bank = Posting.direct(Subject.BANK, "B-1", CLIENTS_BANK, venue_kgs("paper"), 30_000)
        write(connection, [bank, paid])
    yield engine
    engine.dispose()
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_sound_books_have_no_difference(books: sa.Engine) -> None:
    with books.connect() as connection:
        assert list(differences(connection)) == []
        assert list(recompute(connection, ORDERS)) == []
        assert list(recompute(connection, None)) == []


BROKEN = {
    "accounts = transfers": "UPDATE accounts SET debits_posted = debits_posted + 1, "
    "credits_posted = credits_posted + 1 WHERE code = 'fee:pool'",
    "debits = credits": "UPDATE accounts SET credits_posted = credits_posted + 1 "
    "WHERE code = 'fee:pool'",
    "no account below zero": "ALTER TABLE accounts DROP CONSTRAINT never_below_zero; "
    "UPDATE accounts SET debits_posted = 999999 WHERE code = 'fee:pool'",
    "totals = settled shares": "INSERT INTO totals VALUES (1, 1, 1, 1)",
    "credits of blocks = rewards": "UPDATE block_credits SET reward_sat = reward_sat + 1 "
    "WHERE participant_id = 1",
    "rewards of blocks = lines": "UPDATE blocks SET state = 'orphaned', attempts = 2",
    "outputs of mature blocks = lots": "UPDATE block_outputs SET amount_sat = amount_sat + 1",
    "shares of lots = credits": "UPDATE lot_shares SET participant_id = 9 WHERE participant_id = 2",
    "lots = fills + offers + remainders": "UPDATE lots SET sold_sat = sold_sat - 1",
    "a venue order is filled once": "UPDATE fills SET amount_sat = amount_sat + 1",
    "deposits = lines": "DELETE FROM transfers WHERE subject = 'lot'",
    "fills = lines": "UPDATE fills SET gross_tyiyn = gross_tyiyn + 1",
    "settlements = lines": "UPDATE lot_settlement_lines SET net_tyiyn = net_tyiyn + 1 "
    "WHERE participant_id = 1",
    "write-offs = lines": "INSERT INTO lot_remainders SELECT block_hash, vout, participant_id, 1, "
    "'written_off' FROM lot_shares",
    "payouts = lines": "DELETE FROM payouts",
    "proceeds at the bank = lines": "DELETE FROM bank_entries",
    "settled lots = settlements": "UPDATE lots SET state = 'settled'",
    "no satoshi is sold twice": "UPDATE lot_settlement_lines SET amount_sat = amount_sat * 9",
    "satoshi of participants = rewards - sold - written off": "UPDATE block_credits SET "
    "reward_sat = reward_sat + 1",
    "tyiyn of participants = lines - payouts": "UPDATE payouts SET amount_tyiyn = 499",
    "accounts between = what is under way": "UPDATE lot_settlements SET "
    "pool_fee_tyiyn = pool_fee_tyiyn - 1, net_tyiyn = net_tyiyn + 1",
}  # fmt: skip


def test_there_is_a_breach_for_every_rule() -> None:
    assert BROKEN.keys() == INVARIANTS.keys()


@pytest.mark.parametrize("rule", INVARIANTS)
def test_a_breach_of_each_rule_is_found_by_it(books: sa.Engine, rule: str) -> None:
    with books.connect() as connection:
        _asleep(connection)
        connection.execute(sa.text(BROKEN[rule]))
        found = connection.execute(sa.text(INVARIANTS[rule])).scalars().all()
        connection.rollback()
    assert found
    assert all(isinstance(words, str) for words in found)


def _asleep(connection: sa.Connection) -> None:
    """Put the guards to sleep, as one can who owns the database."""
    connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
    connection.execute(
        sa.text(
            "ALTER TABLE lot_settlements DROP CONSTRAINT IF EXISTS pool_fee_is_of_its_rate; "
            "ALTER TABLE lots DROP CONSTRAINT IF EXISTS lots_never_oversold"
        )
    )


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE fills SET fee_tyiyn = fee_tyiyn + 1", "should be"),
        ("UPDATE fills SET cost = cost + 1", "should be"),
        ("UPDATE fills SET amount_sat = amount_sat + 1", "cannot be settled again"),
        ("UPDATE lot_settlements SET fee_order = 7", "not what its fills make it"),
        ("UPDATE lot_settlement_lines SET net_tyiyn = net_tyiyn + 1", "not what its fills make it"),
    ],
)
def test_a_settlement_that_is_not_what_its_fills_make_it_is_found(
    books: sa.Engine, statement: str, words: str
) -> None:
    with books.connect() as connection:
        _asleep(connection)
        connection.execute(sa.text(statement))
        found = list(recompute(connection, ORDERS))
        connection.rollback()
    assert any(words in line for line in found)


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=8))
def test_whole_tyiyn_are_those_below(som: Decimal) -> None:
    tyiyn = whole_tyiyn(som)
    assert tyiyn <= som * 100 < tyiyn + 1


def test_the_participants_money_is_told_apart_from_the_operators(books: sa.Engine) -> None:
    with books.connect() as connection:
        bitcoin, money = client_money(read_accounts(connection))
        each = client_money(read_accounts(connection, each=True))
    assert (dict(bitcoin.had), dict(bitcoin.in_sale)) == (
        {"coinbase": 0, "venue:paper:btc": 700}, {"trade:btc": 300},
    )  # fmt: skip
    assert dict(bitcoin.owed) == {"participant (2)": 1000, "unassigned": 0}
    assert dict(money.had) == {"venue:paper:kgs": 29_726, "bank:clients": 30_000}
    assert dict(money.in_sale) == {"trade:kgs": -9000, "fee:venue:paper": 45}
    assert dict(money.owed) == {"participant:kgs (2)": 44_776, "unassigned:kgs": 4975}
    assert dict(money.operator) == {"fee:pool": 1020, "bank:operator": 0}
    assert [one.difference for one in (bitcoin, money)] == [0, 0]
    assert dict(each[1].owed).keys() == {
        "participant:1:kgs", "participant:2:kgs", "unassigned:kgs",
    }  # fmt: skip
