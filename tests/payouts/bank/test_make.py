"""Batches pay what is due and at the bank, once; what they are never changes."""

import hashlib
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from kench.payouts.accounts import CLIENTS_BANK, POOL_FEE, participant_kgs
from kench.payouts.bank import make as make_module
from kench.payouts.bank.account import BankAccount, BankAccountError
from kench.payouts.bank.directory import KeptAccount, accounts_in_force, set_account
from kench.payouts.bank.make import BatchKind, Due, Unpaid, choose, payout_posting
from kench.payouts.bank.outbox import OutboxError, write_batches
from kench.payouts.bank.xml import read_xml
from kench.payouts.postings import write
from kench.pool.database import Role, open_engine
from tests.payouts.bank.purse import AT, RULE, arrive, earn, enter, has, make

ACCOUNTS = {
    number: KeptAccount(number, 1, BankAccount("x", f"{number:016}", "109018"), None, AT)
    for number in range(5)
}


@pytest.fixture
def sell(engine: sa.Engine, database: str) -> sa.Engine:
    """An engine of the sale's own role; four participants are in the register."""
    with engine.begin() as connection:
        enter(connection, 4)
    return open_engine(database, Role.SELL, application_name="test", pool_size=2)


def test_balances_over_the_threshold_are_pended_and_in_the_file(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000, 2: 999, 3: 1000})
        arrive(connection, "b1", 6999)
        made = make(connection)
    assert (made.batch, made.payouts, made.total_tyiyn) == (1, 2, 6000)
    with sell.connect() as connection:
        assert has(connection, participant_kgs(1)) == (5000, 5000)
        assert has(connection, participant_kgs(2)) == (999, 0)
        assert has(connection, CLIENTS_BANK) == (6999, 6000)
        row = connection.execute(sa.text("SELECT * FROM payout_batches")).one()
        assert row.order_number == RULE.order
        _, root = read_xml(bytes(row.document))
    paid = {
        node.said("PmtId/EndToEndId"): node.said("Amt/InstdAmt")
        for node in root.all("CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf")
    }
    assert paid == {
        "KENCH-00000001-0000000001": "50.00", "KENCH-00000001-0000000003": "10.00",
    }  # fmt: skip
    sell.dispose()


def test_what_is_pended_is_not_pended_again(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000})
        arrive(connection, "b1", 5000)
        assert make(connection).batch == 1
        assert make(connection).batch is None
        earn(connection, "lot2", {1: 1500})
        arrive(connection, "b2", 1500)
        again = make(connection)
    assert (again.batch, again.total_tyiyn) == (2, 1500)
    sell.dispose()


def test_only_what_is_at_the_bank_is_paid_and_whoever_waited_longest_comes_first(
    sell: sa.Engine,
) -> None:
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000})
        arrive(connection, "b1", 5000)
        make(connection)
        earn(connection, "lot2", {1: 2000, 2: 2000, 3: 2000})
        arrive(connection, "b2", 4500)
        made = make(connection)
        assert (made.payouts, made.unpaid) == (2, {1: Unpaid.BANK_HAS_TOO_LITTLE})
        assert has(connection, CLIENTS_BANK) == (9500, 9000)
    sell.dispose()


def test_fees_are_paid_only_beyond_what_is_due_to_participants(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000}, fee=3000)
        arrive(connection, "b1", 7999)
        made = make(connection, BatchKind.OPERATOR)
        assert made.unpaid == {0: Unpaid.BANK_HAS_TOO_LITTLE}
        arrive(connection, "b2", 1)
        made = make(connection, BatchKind.OPERATOR)
        assert (made.payouts, made.total_tyiyn) == (1, 3000)
        assert has(connection, POOL_FEE) == (3000, 3000)
    sell.dispose()


def test_an_own_threshold_and_a_missing_account_keep_a_balance(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        kept = accounts_in_force(connection)[1]
        assert set_account(connection, 1, kept.account, 6000, AT) == 2
        earn(connection, "lot1", {1: 5000, 4: 5000, 77: 5000})
        arrive(connection, "b1", 15_000)
        made = make(connection)
    assert made.payouts == 1
    assert made.unpaid == {1: Unpaid.BELOW_OWN_THRESHOLD, 77: Unpaid.NO_ACCOUNT}
    with sell.begin() as connection, pytest.raises(BankAccountError, match="no participant 99"):
        set_account(connection, 99, kept.account, None, AT)
    sell.dispose()


def test_the_file_is_written_once_for_its_owner_and_a_changed_one_is_found(
    sell: sa.Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "bank" / "out"
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000})
        arrive(connection, "b1", 5000)
        make(connection)
        (path,) = write_batches(connection, folder)
        assert write_batches(connection, folder) == []
        digest = connection.scalar(sa.text("SELECT sha256 FROM payout_batches"))
    assert path.name == "KENCH-00000001.xml"
    assert hashlib.sha256(path.read_bytes()).digest() == bytes(digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    path.write_bytes(path.read_bytes().replace(b"50.00", b"90.00"))
    with sell.begin() as connection, pytest.raises(OutboxError, match="do not send it"):
        write_batches(connection, folder)
    sell.dispose()


RAW = [
    "UPDATE payouts SET amount_tyiyn = 1",
    "UPDATE payouts SET state = 'booked'",
    "UPDATE payouts SET state = 'returned'",
    "DELETE FROM payouts",
    "TRUNCATE payouts CASCADE",
    "UPDATE payout_batches SET total_tyiyn = 1",
    "DELETE FROM payout_batches",
    "UPDATE bank_accounts SET number = '1'",
    "DELETE FROM bank_accounts",
    (
        "INSERT INTO payouts SELECT 'x', participant_id, amount_tyiyn, batch, account_version,"
        " 'pended', '', '', '', now() FROM payouts"
    ),
    (
        "INSERT INTO payouts SELECT 'x', 2, amount_tyiyn, batch, account_version, 'booked',"
        " '', '', '', now() FROM payouts"
    ),
    (
        "INSERT INTO payouts SELECT 'x', 2, amount_tyiyn, batch, account_version, 'pended',"
        " '', '', '', now() FROM payouts"
    ),
    (
        "INSERT INTO payout_batches SELECT 2, kind, 'm', made_at, 1, 1, 1, '\\x00', sha256"
        " FROM payout_batches"
    ),
]


@pytest.mark.parametrize("role", [Role.SELL, None])
def test_raw_sql_cannot_break_a_payout(sell: sa.Engine, database: str, role: Role | None) -> None:
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000})
        arrive(connection, "b1", 5000)
        make(connection)
    sell.dispose()
    engine = open_engine(database, role, application_name="test", pool_size=1)
    for statement in RAW:
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.parametrize("settle", ["post", "void"])
def test_a_line_that_the_payout_does_not_say_is_refused(sell: sa.Engine, settle: str) -> None:
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000})
        arrive(connection, "b1", 5000)
        make(connection)
    line = getattr(payout_posting("KENCH-00000001-0000000001", 1, 5000), settle)()
    with pytest.raises(DBAPIError, match="its transfers say otherwise"), sell.begin() as connection:
        write(connection, [line])
    sell.dispose()


dues = st.lists(
    st.builds(Due, st.integers(0, 6), st.integers(1, 10_000), st.integers(0, 9)),
    unique_by=lambda due: due.participant_id,
)


@given(dues, st.integers(-100, 30_000), st.integers(1, 4))
def test_a_choice_never_exceeds_the_money_and_tells_of_everybody(
    owed: list[Due], payable: int, most: int
) -> None:
    accounts = {**ACCOUNTS, 4: replace_threshold(4, 5000)}
    patched = pytest.MonkeyPatch()
    patched.setattr(make_module, "BATCH_PAYOUTS_MAX", most)
    choice = choose(owed, accounts, payable)
    patched.undo()
    assert sum(due.tyiyn for due in choice.paid) <= max(payable, 0)
    assert len(choice.paid) <= most
    paid = {due.participant_id for due in choice.paid}
    assert paid | choice.unpaid.keys() == {due.participant_id for due in owed}
    assert not paid & choice.unpaid.keys()
    assert choice == choose_again(owed, accounts, payable, most)


def choose_again(
    owed: list[Due], accounts: dict[int, KeptAccount], payable: int, most: int
) -> make_module.Choice:
    """The same balances in another order."""
    patched = pytest.MonkeyPatch()
    patched.setattr(make_module, "BATCH_PAYOUTS_MAX", most)
    choice = choose(owed[::-1], accounts, payable)
    patched.undo()
    return choice


def replace_threshold(number: int, tyiyn: int) -> KeptAccount:
    return KeptAccount(number, 1, replace(ACCOUNTS[number].account), tyiyn, AT)


def test_a_batch_has_its_payouts_and_no_others(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        earn(connection, "lot1", {1: 5000, 2: 999})
        arrive(connection, "b1", 5999)
        make(connection)
    more = (
        "INSERT INTO payouts (end_to_end_id, participant_id, amount_tyiyn, batch, account_version,"
        " changed_at) VALUES ('x', 2, 999, 1, 1, now())"
    )
    with pytest.raises(DBAPIError, match="payouts of batch 1 are more"), sell.begin() as connection:
        connection.exec_driver_sql(more)
    empty = (
        "INSERT INTO payout_batches SELECT 2, kind, 'm', made_at, 1, payouts, total_tyiyn,"
        " document, sha256 FROM payout_batches"
    )
    with pytest.raises(DBAPIError, match="batch 2 do not sum to it"), sell.begin() as connection:
        connection.exec_driver_sql(empty)
    sell.dispose()
