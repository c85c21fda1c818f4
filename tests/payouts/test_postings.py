"""Postings are written once, by whom they may be, and PostgreSQL keeps the rules of the ledger."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from kench.payouts.accounts import (
    CLIENTS_BANK,
    COINBASE,
    POOL_FEE,
    TRADE_BTC,
    TRADE_KGS,
    participant_btc,
    participant_kgs,
    venue_btc,
    venue_fee,
    venue_kgs,
)
from kench.payouts.postings import Posting, PostingConflictError, Subject, posting_id, write
from kench.payouts.proceeds.write import Lot, settle_lot
from kench.payouts.transfers import Done, Kind
from kench.pool.database import Role, open_engine
from tests.payouts.books import everything, ledger_check
from tests.payouts.sold import (
    AT,
    ORDERS,
    add_fill,
    add_lot,
    add_mature_block,
    add_payout,
    move,
    move_payout,
    part,
    reference_of,
    tell_credit,
)

LOT = Lot("ab" * 32, 0)
FILL = part(LOT, 0, 100, 5000, 20)
DEPOSIT = Posting.direct(Subject.LOT, reference_of(LOT), venue_btc("paper"), COINBASE, 100)
SALE = [
    Posting.direct(Subject.FILL, f"paper:{FILL.trade_id}", debit, credit, amount)
    for debit, credit, amount in (
        (TRADE_BTC, venue_btc("paper"), 100),
        (venue_kgs("paper"), TRADE_KGS, 5000),
        (venue_fee("paper"), venue_kgs("paper"), 20),
    )
]
AT_BANK = Posting.direct(Subject.BANK, "B-1", CLIENTS_BANK, venue_kgs("paper"), 4980)
PAYOUT = Posting.pend(Subject.PAYOUT, "E-1", participant_kgs(1), CLIENTS_BANK, 3416)


@pytest.fixture
def book(engine: sa.Engine) -> sa.Engine:
    """A lot of 100 satoshi of participants 1 and 2 and its fill, of which nothing is posted."""
    with engine.begin() as connection:
        add_mature_block(connection, LOT.block_hash, {1: 70, 2: 30})
        add_lot(connection, LOT, {1: 70, 2: 30})
        move(connection, LOT, "screening", "cleared", "selling")
        add_fill(connection, LOT, FILL, 0)
        move(connection, LOT, "sold")
    return engine


def book_sale(engine: sa.Engine) -> None:
    """Deposit, sale, settlement, and the money at the bank."""
    for lines in ([DEPOSIT], SALE):
        with engine.begin() as connection:
            write(connection, lines)
    with engine.begin() as connection:
        settle_lot(connection, LOT, ORDERS, AT)
    with engine.begin() as connection:
        tell_credit(connection, AT_BANK.reference, AT_BANK.amount)
        write(connection, [AT_BANK])


def book_all(engine: sa.Engine) -> None:
    book_sale(engine)
    with engine.begin() as connection:
        add_payout(connection, PAYOUT.reference, 1, PAYOUT.amount)
        assert write(connection, [PAYOUT]) is Done.CREATED
    with engine.begin() as connection:
        move_payout(connection, PAYOUT.reference, "booked")
        assert write(connection, [PAYOUT.post()]) is Done.CREATED


def account(engine: sa.Engine, code: str) -> tuple[int, int, int]:
    """What an account has, what comes and what leaves."""
    with engine.connect() as connection:
        row = connection.execute(
            sa.text("SELECT posted, coming, leaving FROM account_balances WHERE code = :code"),
            {"code": code},
        ).one()
    return tuple(row)


def test_from_deposit_to_payout_each_account_has_what_the_flows_leave(book: sa.Engine) -> None:
    book_all(book)
    expected = {
        COINBASE: 0, venue_btc("paper"): 0, TRADE_BTC: 0, TRADE_KGS: 0, participant_btc(1): 0,
        participant_btc(2): 0, venue_kgs("paper"): 0, venue_fee("paper"): 0, POOL_FEE: 100,
        participant_kgs(1): 0, participant_kgs(2): 1464, CLIENTS_BANK: 1564,
    }  # fmt: skip
    assert {code: account(book, code) for code in expected} == {
        code: (amount, 0, 0) for code, amount in expected.items()
    }
    with book.connect() as connection:
        assert ledger_check(connection) == (True, 4 + 1 + 3 + 6 + 1 + 2)
        row = connection.execute(
            sa.text("SELECT * FROM participant_balances WHERE participant_id = 1")
        ).one()
    assert tuple(row) == (1, 0, 0, 70, 0, 0, 3416, 0)


def test_written_again_it_exists_and_nothing_changes(book: sa.Engine) -> None:
    book_all(book)
    before = everything(book)
    with book.begin() as connection:
        for lines in ([DEPOSIT], SALE, [AT_BANK], [PAYOUT, PAYOUT.post()], []):
            assert write(connection, lines) is Done.EXISTS
    assert everything(book) == before


def test_a_pend_reserves_and_a_void_gives_back(book: sa.Engine) -> None:
    book_sale(book)
    with book.begin() as connection:
        add_payout(connection, PAYOUT.reference, 1, PAYOUT.amount)
        write(connection, [PAYOUT])
    assert account(book, participant_kgs(1)) == (3416, 0, 3416)
    assert account(book, CLIENTS_BANK) == (4980, 0, 3416)
    again = Posting.pend(Subject.PAYOUT, "E-2", participant_kgs(1), CLIENTS_BANK, 1)
    with pytest.raises(IntegrityError, match="never_below_zero"), book.begin() as connection:
        write(connection, [again])
    with book.begin() as connection:
        move_payout(connection, PAYOUT.reference, "rejected")
        assert write(connection, [PAYOUT.void()]) is Done.CREATED
        add_payout(connection, "E-2", 1, 1, batch=2)
        assert write(connection, [again]) is Done.CREATED
    with pytest.raises(IntegrityError, match="pending_id"), book.begin() as connection:
        write(connection, [PAYOUT.post()])


def test_the_same_line_with_another_amount_is_a_conflict(book: sa.Engine) -> None:
    other = Posting.direct(*_parts(DEPOSIT), 99)
    with book.begin() as connection:
        write(connection, [DEPOSIT])
    with pytest.raises(PostingConflictError, match="kench audit"), book.begin() as connection:
        write(connection, [other])
    with pytest.raises(PostingConflictError), book.begin() as connection:
        write(connection, [SALE[0], Posting.direct(*_parts(SALE[0]), 1)])
    book_sale(book)
    direct = Posting.direct(*_parts(PAYOUT), PAYOUT.amount)
    with book.begin() as connection:
        add_payout(connection, PAYOUT.reference, 1, PAYOUT.amount)
        move_payout(connection, PAYOUT.reference, "booked")
        write(connection, [PAYOUT, PAYOUT.post()])
    with pytest.raises(PostingConflictError), book.begin() as connection:
        write(connection, [direct])


def _parts(line: Posting) -> tuple[Subject, str, str, str]:
    return line.subject, line.reference, line.debit_account, line.credit_account


def test_ids_are_the_same_in_postgresql_and_wherever_they_are_made(engine: sa.Engine) -> None:
    parts = [
        (Kind.POST, Subject.FILL, "paper:1", TRADE_BTC, "venue:paper:btc"),
        (Kind.PEND, Subject.PAYOUT, "Кен-1", participant_kgs(1), CLIENTS_BANK),
        (Kind.PEND, Subject.PAYOUT, "К", "ен-1", CLIENTS_BANK),
    ]
    assert len({posting_id(*part) for part in parts}) == 3
    assert posting_id(*parts[0]).hex() == (
        "d07f7f5353b29447f67cb2a0ca10f87a640a29a284858d37b6b104f2cb4b9032"
    )
    with engine.connect() as connection:
        for part in parts:
            found = connection.execute(
                sa.select(sa.func.posting_id(*part))  # the same five parts
            ).scalar_one()
            assert bytes(found) == posting_id(*part)


INSERT = (
    "INSERT INTO transfers (id, kind, pending_id, asset, debit_account, credit_account, amount, "
    "subject, reference) "
)


def line(  # noqa: PLR0917 - the parts of a line
    subject: str,
    debit: str,
    credit: str,
    amount: int = 1,
    asset: str = "KGS",
    reference: str = "x",
    kind: str = "post",
) -> str:
    return (
        f"{INSERT} VALUES (posting_id('{kind}', '{subject}', '{reference}', '{debit}', "
        f"'{credit}'), '{kind}', NULL, '{asset}', '{debit}', '{credit}', {amount}, '{subject}', "
        f"'{reference}')"
    )


REFUSED = {
    "a line changed": "UPDATE transfers SET amount = amount + 1",
    "a line deleted": "DELETE FROM transfers",
    "a balance changed": "UPDATE accounts SET credits_posted = credits_posted + 1",
    "an id of another content": f"{INSERT} VALUES (sha256('x'), 'post', NULL, 'KGS', "
    "'venue:paper:kgs', 'trade:kgs', 1, 'fill', 'x')",
    "the same thing twice": line(
        "fill", "venue:paper:kgs", "trade:kgs", reference=f"paper:{FILL.trade_id}"
    ),
    "assets mixed": line("fill", "venue:paper:kgs", "trade:btc"),
    "another asset than the accounts'": line("fill", "venue:paper:kgs", "trade:kgs", asset="BTC"),
    "more coins than the venue holds": line("fill", "trade:btc", "venue:paper:btc", 1, "BTC"),
    "more deposited than mined": line("lot", "venue:paper:btc", "coinbase", 1, "BTC"),
    "more settled than is owed": line("settlement", "participant:1", "trade:btc", 1, "BTC"),
    "more paid than is owed": line("payout", "participant:2:kgs", "bank:clients", 1465),
    "more reserved than is owed": line(
        "payout", "participant:2:kgs", "bank:clients", 1465, kind="pend"
    ),
    "more fee than was taken": line("payout", "fee:pool", "bank:clients", 101),
    "a flow that there is not": line("payout", "participant:2:kgs", "fee:pool", 1),
    "a way past the sale": line("lot", "participant:1", "coinbase", 1, "BTC"),
    "a fill that is no fill": line("payout", "trade:btc", "venue:paper:btc", 1, "BTC"),
    "an account that is not open": line("fill", "venue:other:kgs", "trade:kgs"),
    "an amount below nothing": line("fill", "venue:paper:kgs", "trade:kgs", -1),
    "a line about nothing": line("fill", "venue:paper:kgs", "trade:kgs", reference=""),
    "a void of nothing": line("payout", "participant:2:kgs", "bank:clients", 1, kind="void"),
    "a subject that there is not": line("gift", "venue:paper:kgs", "trade:kgs"),
}
ROLES = (None, Role.SELL, Role.SETTLE, Role.READ, Role.STRATUM)


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_raw_sql_breaks_no_rule_as_any_role(book: sa.Engine, statement: str) -> None:
    book_all(book)
    before = everything(book)
    for role in ROLES:
        with book.connect() as connection:
            if role:
                connection.execute(sa.text(f"SET LOCAL ROLE {role}"))
            with pytest.raises(DBAPIError if role else IntegrityError):
                connection.execute(sa.text(statement))
    assert everything(book) == before


OF_NOTHING = {
    "money to a participant": line(
        "payout", "participant:2:kgs", "bank:clients", kind="pend", reference="E-9"
    ),
    "money past the bank": line("payout", "participant:2:kgs", "bank:clients", reference="E-9"),
    "fees": line("payout", "fee:pool", "bank:clients", reference="E-9"),
    "a return": line("payout", "bank:clients", "participant:2:kgs", reference="E-9"),
    "a second return": line("payout", "bank:clients", "participant:1:kgs", reference="E-1"),
    "a return to another": line("payout", "bank:clients", "participant:2:kgs", reference="E-1"),
    "proceeds at the bank": line("bank", "bank:clients", "venue:paper:kgs", reference="B-9"),
    "proceeds gone back": line("bank", "venue:paper:kgs", "bank:clients", reference="B-1"),
    "proceeds to be": line("bank", "bank:clients", "venue:paper:kgs", kind="pend", reference="B-1"),
    "proceeds without a line": "INSERT INTO bank_entries VALUES (sha256('y'), sha256('x'), "
    "'venue_credited', 'credit', 'B-9', '', 1, 'KGS', '', '', '', now())",
    "proceeds told twice": "INSERT INTO bank_entries VALUES (sha256('y'), sha256('x'), "
    "'venue_credited', 'credit', 'B-1', '', 4980, 'KGS', '', '', '', now())",
}


@pytest.mark.parametrize("statement", OF_NOTHING.values(), ids=OF_NOTHING.keys())
def test_no_money_moves_at_the_bank_without_a_payout_or_an_entry_of_it(
    book: sa.Engine, database: str, statement: str
) -> None:
    book_all(book)
    with book.begin() as connection:
        # So that no account falls below zero by the statement, whatever else becomes of it.
        more = Posting.direct(Subject.FILL, "paper:more", venue_kgs("paper"), TRADE_KGS, 10)
        connection.exec_driver_sql("ALTER TABLE transfers DISABLE TRIGGER check_subjects")
        write(connection, [more])
        connection.exec_driver_sql("ALTER TABLE transfers ENABLE TRIGGER check_subjects")
    before = everything(book)
    sell = open_engine(database, Role.SELL, application_name="test")
    refused = r"there is none|say otherwise|entries of"
    with pytest.raises(IntegrityError, match=refused), sell.begin() as connection:
        connection.execute(sa.text(statement))
    sell.dispose()
    assert everything(book) == before


def test_the_sale_writes_no_lines_of_blocks_and_settlement_no_others(
    book: sa.Engine, database: str
) -> None:
    of_block = (
        "INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject, "
        "reference, block_hash, attempt) VALUES (sha256('x'), 'pend', 'BTC', 'coinbase', "
        f"'participant:1', 1, 'block', '{LOT.block_hash}', '{LOT.block_hash}', 2)"
    )
    refused = "row-level security"
    sell = open_engine(database, Role.SELL, application_name="test")
    with sell.begin() as connection:
        assert write(connection, [DEPOSIT]) is Done.CREATED
        assert write(connection, [DEPOSIT]) is Done.EXISTS
    with pytest.raises(DBAPIError, match=refused), sell.begin() as connection:
        connection.execute(sa.text(of_block))
    sell.dispose()
    settle = open_engine(database, Role.SETTLE, application_name="test")
    with pytest.raises(DBAPIError, match=refused), settle.begin() as connection:
        write(connection, SALE)
    settle.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET credits_posted = 1",
        "INSERT INTO accounts (code, credits_posted) VALUES ('fee:pool', 1)",
        "DELETE FROM transfers",
        "INSERT INTO ledger_flows VALUES ('payout', 'coinbase', 'bank:clients')",
        "UPDATE account_classes SET holder = 'operator'",
        "UPDATE blocks SET state = 'mature'",
        "INSERT INTO block_credits VALUES ('x', 1, 1, 1)",
        "SELECT sha256 FROM participant_tokens",
        "ALTER TABLE transfers DISABLE TRIGGER append_only",
    ],
)
def test_the_sale_has_no_right_to_what_it_need_not_do(database: str, statement: str) -> None:
    engine = open_engine(database, Role.SELL, application_name="test")
    with (
        pytest.raises(DBAPIError, match=r"permission denied|must be owner"),
        engine.begin() as connection,
    ):
        connection.execute(sa.text(statement))
    engine.dispose()
