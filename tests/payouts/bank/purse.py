"""Money for tests of payouts: balances of participants, and what of it is at the bank."""

from datetime import UTC, datetime

import sqlalchemy as sa

from kench.payouts.accounts import CLIENTS_BANK, POOL_FEE, TRADE_KGS, participant_kgs, venue_kgs
from kench.payouts.bank.account import BankAccount
from kench.payouts.bank.directory import OPERATOR, set_account
from kench.payouts.bank.make import BatchKind, Made, make_batch
from kench.payouts.bank.take import Finding, OurSide, take
from kench.payouts.postings import Posting, Subject, write
from kench.pool.orders.rules import InForce, PayoutRule
from kench.pool.register import add_participant
from tests.payouts.bank.files import ACCOUNT
from tests.payouts.sold import tell_credit

AT = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
DEBTOR = BankAccount("ОАО Кенч", ACCOUNT, "109018")
VENUE_ACCOUNT = "9900000000000001"
OURS = OurSide(ACCOUNT, {VENUE_ACCOUNT: "paper"})
RULE = InForce(4, PayoutRule(threshold_tyiyn=1000))


def enter(connection: sa.Connection, participants: int) -> None:
    """Enter participants 1, 2, … and the operator, each with an account.

    Balances of these tests come from nowhere: PostgreSQL's check of lots and fills is put to sleep.
    """
    connection.exec_driver_sql("ALTER TABLE transfers DISABLE TRIGGER check_subjects")
    for number in range(1, participants + 1):
        add_participant(connection, f"Участник {number}")
    for number in range(participants + 1):
        name = f"Holder {number}" if number != OPERATOR else "Оператор"
        set_account(connection, number, BankAccount(name, f"{number:016}", "DEMIKG22"), None, AT)


def earn(connection: sa.Connection, reference: str, tyiyn: dict[int, int], fee: int = 0) -> None:
    """Let participants be owed what the venue holds, as if a lot had been sold and settled."""
    gross = sum(tyiyn.values()) + fee
    lines = [Posting.direct(Subject.FILL, reference, venue_kgs("paper"), TRADE_KGS, gross)]
    lines += [
        Posting.direct(Subject.SETTLEMENT, reference, TRADE_KGS, participant_kgs(number), amount)
        for number, amount in tyiyn.items()
    ]
    if fee:
        lines.append(Posting.direct(Subject.SETTLEMENT, reference, TRADE_KGS, POOL_FEE, fee))
    # There is no such lot, which only the owner of the table can pass over.
    role = connection.execute(sa.text("SELECT current_user")).scalar_one()
    for statement in (
        "SET CONSTRAINTS ALL IMMEDIATE",
        "SET LOCAL ROLE NONE",
        "ALTER TABLE transfers DISABLE TRIGGER check_subjects",
    ):
        connection.execute(sa.text(statement))
    write(connection, lines)
    for statement in (
        "ALTER TABLE transfers ENABLE TRIGGER check_subjects",
        f"SET LOCAL ROLE {role}",
        "SET CONSTRAINTS ALL DEFERRED",
    ):
        connection.execute(sa.text(statement))


def arrive(connection: sa.Connection, reference: str, tyiyn: int) -> None:
    """Let the venue's money be at the bank."""
    tell_credit(connection, reference, tyiyn)
    write(
        connection,
        [Posting.direct(Subject.BANK, reference, CLIENTS_BANK, venue_kgs("paper"), tyiyn)],
    )


def make(connection: sa.Connection, kind: BatchKind = BatchKind.CLIENTS) -> Made:
    """Make a batch by the rule of the tests."""
    return make_batch(connection, kind, RULE, DEBTOR, AT)


def taken(connection: sa.Connection, raw: bytes) -> list[Finding]:
    """Take a file."""
    return take(connection, raw, "file.xml", OURS, AT)


def has(connection: sa.Connection, code: str) -> tuple[int, int]:
    """What an account has, and what of it is on its way out."""
    row = connection.execute(
        sa.text("SELECT posted, leaving FROM account_balances WHERE code = :code"), {"code": code}
    ).one_or_none()
    return (int(row.posted), int(row.leaving)) if row else (0, 0)
