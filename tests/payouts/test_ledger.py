"""The ledger does each thing once, balances after every step, and cannot be rewritten."""

import itertools
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from kench.payouts import ledger, tables
from kench.payouts.accounts import ALWAYS_OPEN
from kench.payouts.ledger import LedgerRefusedError
from kench.payouts.lines import open_accounts
from kench.payouts.transfers import Done, Kind, transfer_id
from kench.pool.database import Role, open_engine
from tests.payouts.books import add_block, balances, everything, ledger_check

HASH = "ab" * 32
INSERT = (
    "INSERT INTO transfers (id, kind, pending_id, debit_account, credit_account, amount, "
    "block_hash, attempt, asset, subject, reference) "
)
OF_BLOCK = f"'{HASH}', 1, 'BTC', 'block', '{HASH}'"
LIKE = "block_hash, attempt, asset, subject, reference FROM transfers"


@pytest.fixture
def book(engine: sa.Engine) -> sa.Engine:
    """A block of 10 satoshi for participants 1 and 2, pended as its first attempt."""
    with engine.begin() as connection:
        add_block(connection, HASH, {1: 7, 2: 3, 3: 0})
        assert ledger.pend(connection, HASH, 1) is Done.CREATED
    return engine


def operate(engine: sa.Engine, operation: Callable[..., Done], attempt: int) -> Done:
    with engine.begin() as connection:
        return operation(connection, HASH, attempt)


def test_a_pend_is_pending_a_post_is_mature_and_who_is_due_nothing_has_no_transfer(
    book: sa.Engine,
) -> None:
    with book.connect() as connection:
        assert balances(connection) == {1: (7, 0), 2: (3, 0), 3: (0, 0)}
        assert ledger_check(connection) == (True, 2)
    assert operate(book, ledger.post, 1) is Done.CREATED
    with book.connect() as connection:
        assert balances(connection) == {1: (0, 7), 2: (0, 3), 3: (0, 0)}
        assert ledger_check(connection) == (True, 4)


def test_a_void_takes_everything_back_and_a_return_pends_anew(book: sa.Engine) -> None:
    assert operate(book, ledger.void, 1) is Done.CREATED
    with book.connect() as connection:
        assert balances(connection) == {1: (0, 0), 2: (0, 0), 3: (0, 0)}
    assert operate(book, ledger.pend, 2) is Done.CREATED
    assert operate(book, ledger.post, 2) is Done.CREATED
    with book.connect() as connection:
        assert balances(connection) == {1: (0, 7), 2: (0, 3), 3: (0, 0)}
        assert ledger_check(connection) == (True, 8)


def test_doing_it_again_exists_and_changes_nothing(book: sa.Engine) -> None:
    steps = [(ledger.pend, 1), (ledger.void, 1), (ledger.pend, 2), (ledger.post, 2)]
    for count, (operation, attempt) in enumerate(steps, 1):
        operate(book, operation, attempt)
        before = everything(book)
        for earlier, earlier_attempt in steps[:count]:
            assert operate(book, earlier, earlier_attempt) is Done.EXISTS
        assert everything(book) == before


@pytest.mark.parametrize(
    ("operation", "attempt"),
    [
        (ledger.pend, 2),  # the first is pending still
        (ledger.pend, 3),
        (ledger.post, 2),
        (ledger.post, 0),
        (ledger.void, 2),
        (ledger.void, -1),
    ],
)
def test_an_operation_out_of_turn_is_refused(
    book: sa.Engine, operation: Callable[..., Done], attempt: int
) -> None:
    before = everything(book)
    with pytest.raises(LedgerRefusedError, match="cannot"):
        operate(book, operation, attempt)
    assert everything(book) == before


def test_a_mature_block_is_neither_voided_nor_pended_again(book: sa.Engine) -> None:
    operate(book, ledger.post, 1)
    for operation, attempt in ((ledger.void, 1), (ledger.pend, 2)):
        with pytest.raises(LedgerRefusedError):
            operate(book, operation, attempt)


def test_a_voided_block_is_not_posted(book: sa.Engine) -> None:
    operate(book, ledger.void, 1)
    with pytest.raises(LedgerRefusedError):
        operate(book, ledger.post, 1)


def test_an_unknown_block_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(LedgerRefusedError, match="not in the books"):
        operate(engine, ledger.pend, 1)


def test_a_reward_of_nothing_goes_the_same_way_without_transfers(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        add_block(connection, HASH, {1: 0})
        ledger.pend(connection, HASH, 1)
    assert operate(engine, ledger.post, 1) is Done.CREATED
    assert operate(engine, ledger.post, 1) is Done.EXISTS
    with engine.connect() as connection:
        assert ledger_check(connection) == (True, 0)


def test_ids_of_transfers_are_the_same_wherever_they_are_made() -> None:
    assert transfer_id(Kind.PEND, HASH, 1, 7).hex() == (
        "237d1a5cc3f68d62fa21993aa88531b21072be51be327fb7a036b04f9d1ed824"
    )
    parts = itertools.product(Kind, (HASH, "00" * 32), (1, 2, 256), (0, 1, 256))
    ids = [transfer_id(*part) for part in parts]
    assert len(set(ids)) == len(ids)


TAMPERING = {
    "a transfer changed": "UPDATE transfers SET amount = amount + 1",
    "a transfer deleted": "DELETE FROM transfers",
    "the transfers emptied": "TRUNCATE transfers CASCADE",
    "a credit changed": "UPDATE block_credits SET reward_sat = 5",
    "a credit deleted": "DELETE FROM block_credits",
    "a state without its transfers": "UPDATE blocks SET state = 'mature'",
    "an attempt without its transfers": "UPDATE blocks SET attempts = 2",
    "a reward unlike its credits": "UPDATE blocks SET reward_sat = 11",
    "a credit more": f"INSERT INTO block_credits VALUES ('{HASH}', 9, 1, 1)",
    "a pend more": f"{INSERT} VALUES (sha256('x'), 'pend', NULL, 'coinbase', "
    f"'participant:3', 1, {OF_BLOCK})",
    "a pend of no credit": f"{INSERT} VALUES (sha256('x'), 'pend', NULL, 'coinbase', "
    f"'unassigned', 7, '{HASH}', 2, 'BTC', 'block', '{HASH}')",
    "a post of part of the block": f"{INSERT} SELECT sha256(id), 'post', id, "
    f"debit_account, credit_account, amount, {LIKE} LIMIT 1",
    "a post of another amount": f"{INSERT} SELECT sha256(id), 'post', id, "
    f"debit_account, credit_account, amount + 1, {LIKE}",
    "a post of nothing pended": f"{INSERT} VALUES (sha256('x'), 'post', sha256('y'), "
    f"'coinbase', 'participant:1', 7, {OF_BLOCK})",
    "a post of no pend": f"{INSERT} VALUES (sha256('x'), 'post', NULL, "
    f"'coinbase', 'participant:1', 7, {OF_BLOCK})",
    "an amount of nothing": f"{INSERT} VALUES (sha256('x'), 'pend', NULL, 'coinbase', "
    f"'participant:3', 0, {OF_BLOCK})",
    "a line of another asset": f"{INSERT} VALUES (sha256('x'), 'pend', NULL, 'coinbase', "
    f"'participant:3', 1, '{HASH}', 1, 'KGS', 'block', '{HASH}')",
    "a line of a block with another reference": f"{INSERT} VALUES (sha256('x'), 'pend', NULL, "
    f"'coinbase', 'participant:3', 1, '{HASH}', 1, 'BTC', 'block', 'x')",
    "a balance moved by no transfer": "UPDATE accounts SET debits_posted = debits_posted + 1, "
    "credits_posted = credits_posted + 1",
    "an account deleted": "DELETE FROM accounts WHERE code = 'fee:pool'",
    "the accounts emptied": "TRUNCATE accounts CASCADE",
    "an account that opens with money": "INSERT INTO accounts (code, credits_posted) "
    "VALUES ('participant:9', 1)",
    "an account of no class": "INSERT INTO accounts (code) VALUES ('participant:0')",
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING.keys())
def test_postgresql_refuses_even_its_owner(book: sa.Engine, statement: str) -> None:
    before = everything(book)
    with pytest.raises(IntegrityError), book.begin() as connection:
        connection.execute(sa.text(statement))
    assert everything(book) == before


def test_both_a_post_and_a_void_of_one_pend_are_refused(book: sa.Engine) -> None:
    operate(book, ledger.post, 1)
    with pytest.raises(IntegrityError, match="pending_id"), book.begin() as connection:
        connection.execute(
            sa.text(
                f"{INSERT} SELECT sha256(id), 'void', id, debit_account, "
                f"credit_account, amount, {LIKE} WHERE kind = 'pend'"
            )
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET credits_posted = 1",
        "UPDATE blocks SET reward_sat = 1",
        "DELETE FROM totals",
        "UPDATE transfers SET amount = 1",
        "SELECT sha256 FROM participant_tokens",
    ],
)
def test_settlement_has_no_right_to_what_it_need_not_do(database: str, statement: str) -> None:
    engine = open_engine(database, Role.SETTLE, application_name="test")
    with pytest.raises(DBAPIError, match="permission denied"), engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


class LedgerMachine(RuleBasedStateMachine):
    """pend, post and void in any order, beside a model that is a dict of what each block did."""

    found = Bundle("found")
    engine: sa.Engine

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, list[str]] = {}
        self.amounts: dict[str, dict[int, int]] = {}
        with self.engine.begin() as connection:
            # Books are append-only, so a fresh run needs the owner's hand.
            connection.execute(sa.text("SET session_replication_role = replica"))
            for table in ("transfers", "block_credits", "blocks", "accounts"):
                connection.execute(sa.text(f"DELETE FROM {table}"))
            connection.execute(sa.text("SET session_replication_role = origin"))
            open_accounts(connection, ALWAYS_OPEN)

    @rule(
        target=found,
        amounts=st.dictionaries(st.integers(1, 4), st.integers(0, 50), min_size=1, max_size=4),
        credited=st.booleans(),
    )
    def find(self, amounts: dict[int, int], credited: bool) -> str:
        block_hash = f"{len(self.model):064x}"
        with self.engine.begin() as connection:
            add_block(connection, block_hash, amounts, sequence=len(self.model), credited=credited)
            if credited:
                ledger.pend(connection, block_hash, 1)
        self.model[block_hash] = ["pend"] if credited else []
        self.amounts[block_hash] = amounts
        return block_hash

    @rule(
        block_hash=found, kind=st.sampled_from(["pend", "post", "void"]), offset=st.integers(-1, 1)
    )
    def operate(self, block_hash: str, kind: str, offset: int) -> None:
        history = self.model[block_hash]
        attempts = history.count("pend")
        attempt = attempts + offset
        expected = self.expected(history, attempts, kind, attempt)
        operation = {"pend": ledger.pend, "post": ledger.post, "void": ledger.void}[kind]
        try:
            with self.engine.begin() as connection:
                done = operation(connection, block_hash, attempt)
        except LedgerRefusedError:
            assert expected is None
        else:
            assert done is expected
            if done is Done.CREATED:
                history.append(kind if attempt else "give up")

    def expected(self, history: list[str], attempts: int, kind: str, attempt: int) -> Done | None:
        """What the rules say, told by history alone."""
        last = history[-1] if history else ""
        if kind == "pend":
            allowed = attempt == attempts + 1 and last in ("", "give up", "void")
            was_done = attempt <= attempts
        elif kind == "post":
            allowed = attempt == attempts and last == "pend"
            was_done = attempt == attempts and last == "post"
        else:
            allowed = attempt == attempts and last in ("", "pend")
            was_done = 0 <= attempt < attempts or (
                attempt == attempts and last in ("void", "give up")
            )
        if allowed:
            return Done.CREATED
        return Done.EXISTS if was_done else None

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        expected: dict[int, tuple[int, int]] = {}
        lines = 0
        for block_hash, history in self.model.items():
            due = sum(1 for amount in self.amounts[block_hash].values() if amount)
            lines += due * sum(1 for kind in history if kind != "give up")
            if "pend" not in history:
                continue
            last = history[-1]
            for participant_id, amount in self.amounts[block_hash].items():
                pending, mature = expected.get(participant_id, (0, 0))
                expected[participant_id] = (
                    pending + amount * (last == "pend"),
                    mature + amount * (last == "post"),
                )
        with self.engine.connect() as connection:
            assert balances(connection) == expected
            balanced, transfers = ledger_check(connection)
            assert balanced
            assert transfers == lines
            counted = sa.select(sa.func.count()).select_from(tables.transfers)
            assert connection.execute(counted).scalar_one() == lines


def test_any_order_of_operations_keeps_to_the_model(engine: sa.Engine) -> None:
    LedgerMachine.engine = engine
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=30, stateful_step_count=15)
    )
