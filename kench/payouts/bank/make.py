"""Making a batch: balances over the threshold become pended payouts and a file, all or nothing.

What a batch is never changes once it is committed: its bytes are kept beside it. Only money that
is at the bank is paid, and the operator's fees only as far as they are beyond what is due to the
participants.
"""

import enum
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from kench.payouts.accounts import CLIENTS_BANK, POOL_FEE, participant_kgs
from kench.payouts.bank import tables
from kench.payouts.bank.account import BankAccount
from kench.payouts.bank.directory import OPERATOR, KeptAccount, accounts_in_force
from kench.payouts.bank.pain001 import Batch, Payment, end_to_end_id, message_id, render
from kench.payouts.postings import Posting, Subject, write
from kench.pool.orders.rules import InForce, PayoutRule

PAYOUTS_LOCK = 0x7061796F
"""Key of the advisory lock under which batches are made and the bank's files are taken ("payo")."""
BATCH_PAYOUTS_MAX = 10_000
"""Payouts of one file; those beyond wait for the next."""


class BatchKind(enum.StrEnum):
    """Whose money a batch pays."""

    CLIENTS = "clients"
    OPERATOR = "operator"


class Unpaid(enum.StrEnum):
    """Why somebody with a balance is not in a batch."""

    NO_ACCOUNT = "no_account"
    BELOW_OWN_THRESHOLD = "below_own_threshold"
    BANK_HAS_TOO_LITTLE = "bank_has_too_little"
    BATCH_IS_FULL = "batch_is_full"


@dataclass(frozen=True, slots=True)
class Due:
    """What can be paid to somebody, and since when nothing was."""

    participant_id: int
    tyiyn: int
    last_batch: int


@dataclass(frozen=True, slots=True)
class Made:
    """A batch as it was committed; `batch` is None where there was nobody to pay."""

    batch: int | None
    message_id: str
    payouts: int
    total_tyiyn: int
    unpaid: dict[int, Unpaid] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is paid now, and why others are not."""

    paid: tuple[Due, ...]
    unpaid: dict[int, Unpaid]


def make_batch(
    connection: sa.Connection,
    kind: BatchKind,
    rule: InForce[PayoutRule],
    debtor: BankAccount,
    made_at: datetime,
) -> Made:
    """Pend what is due and write down its batch, in the caller's transaction."""
    lock_payouts(connection)
    accounts = accounts_in_force(connection)
    choice = choose(
        list(_dues(connection, kind, rule.rule.threshold_tyiyn)),
        accounts,
        _payable_tyiyn(connection, kind),
    )
    if not choice.paid:
        return Made(None, "", 0, 0, choice.unpaid)
    last = connection.scalar(sa.select(sa.func.max(tables.payout_batches.c.batch)))
    number = (last or 0) + 1
    batch = Batch(
        message_id(number),
        made_at,
        debtor,
        tuple(_payment(number, due, accounts[due.participant_id]) for due in choice.paid),
    )
    document = render(batch)
    connection.execute(
        sa.insert(tables.payout_batches).values(
            batch=number,
            kind=kind.value,
            message_id=batch.message_id,
            made_at=made_at,
            order_number=rule.order,
            payouts=len(batch.payments),
            total_tyiyn=batch.total_tyiyn,
            document=document,
            sha256=hashlib.sha256(document).digest(),
        )
    )
    _pend(connection, number, choice.paid, accounts, made_at)
    return Made(number, batch.message_id, len(batch.payments), batch.total_tyiyn, choice.unpaid)


def choose(dues: list[Due], accounts: dict[int, KeptAccount], payable_tyiyn: int) -> Choice:
    """Choose whom the money at the bank pays: first who was paid longest ago. Pure."""
    paid: list[Due] = []
    unpaid: dict[int, Unpaid] = {}
    for due in sorted(dues, key=lambda due: (due.last_batch, due.participant_id)):
        account = accounts.get(due.participant_id)
        if account is None:
            unpaid[due.participant_id] = Unpaid.NO_ACCOUNT
        elif due.tyiyn < (account.threshold_tyiyn or 1):
            unpaid[due.participant_id] = Unpaid.BELOW_OWN_THRESHOLD
        elif due.tyiyn > payable_tyiyn:
            unpaid[due.participant_id] = Unpaid.BANK_HAS_TOO_LITTLE
        elif len(paid) == BATCH_PAYOUTS_MAX:
            unpaid[due.participant_id] = Unpaid.BATCH_IS_FULL
        else:
            paid.append(due)
            payable_tyiyn -= due.tyiyn
    return Choice(tuple(sorted(paid, key=lambda due: due.participant_id)), unpaid)


def payout_posting(end_to_end: str, participant_id: int, amount_tyiyn: int) -> Posting:
    """Return the line that reserves a payout until the bank has booked or rejected it."""
    return Posting.pend(
        Subject.PAYOUT,
        end_to_end,
        payout_account(participant_id),
        CLIENTS_BANK,
        amount_tyiyn,
    )


def return_posting(end_to_end: str, participant_id: int, amount_tyiyn: int) -> Posting:
    """Return the line by which a booked payout comes back to the balance it came from."""
    return Posting.direct(
        Subject.PAYOUT,
        end_to_end,
        CLIENTS_BANK,
        payout_account(participant_id),
        amount_tyiyn,
    )


def payout_account(participant_id: int) -> str:
    """Return the account that a payout is taken from."""
    return POOL_FEE if participant_id == OPERATOR else participant_kgs(participant_id)


def lock_payouts(connection: sa.Connection) -> None:
    """Keep others from making batches and taking files until the transaction ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PAYOUTS_LOCK)))


def _dues(connection: sa.Connection, kind: BatchKind, least_tyiyn: int) -> Iterator[Due]:
    columns, paid = tables.balances.c, tables.payouts.c
    free = columns.posted - columns.leaving
    who = sa.func.coalesce(columns.participant_id, OPERATOR)
    last = (
        sa.select(sa.func.coalesce(sa.func.max(paid.batch), 0))
        .where(paid.participant_id == who)
        .scalar_subquery()
    )
    wanted = "participant:kgs" if kind is BatchKind.CLIENTS else POOL_FEE
    rows = connection.execute(
        sa.select(who, free, last).where(columns["class"] == wanted, free >= max(least_tyiyn, 1))
    )
    for participant_id, tyiyn, last_batch in rows:
        yield Due(participant_id, int(tyiyn), last_batch)


def _payable_tyiyn(connection: sa.Connection, kind: BatchKind) -> int:
    """Money at the bank that nothing is pended from; for the operator, beyond the clients' own."""
    columns = tables.balances.c
    free = sa.func.coalesce(sa.func.sum(columns.posted - columns.leaving), 0)
    at_bank = connection.scalar(sa.select(free).where(columns.code == CLIENTS_BANK))
    payable = int(at_bank or 0)
    if kind is BatchKind.OPERATOR:
        owed = connection.scalar(
            sa.select(free).where(columns["class"].in_(["participant:kgs", "unassigned:kgs"]))
        )
        payable -= int(owed or 0)
    return payable


def _payment(batch: int, due: Due, kept: KeptAccount) -> Payment:
    whom = "оператору" if due.participant_id == OPERATOR else f"участнику {due.participant_id}"
    return Payment(
        end_to_end_id(batch, due.participant_id),
        due.tyiyn,
        kept.account,
        f"Кенч: выплата {whom}, пакет {batch}",
    )


def _pend(
    connection: sa.Connection,
    batch: int,
    paid: tuple[Due, ...],
    accounts: dict[int, KeptAccount],
    at: datetime,
) -> None:
    ids = {due.participant_id: end_to_end_id(batch, due.participant_id) for due in paid}
    connection.execute(
        sa.insert(tables.payouts),
        [
            {
                "end_to_end_id": ids[due.participant_id],
                "participant_id": due.participant_id,
                "amount_tyiyn": due.tyiyn,
                "batch": batch,
                "account_version": accounts[due.participant_id].version,
                "changed_at": at,
            }
            for due in paid
        ],
    )
    write(
        connection,
        [payout_posting(ids[due.participant_id], due.participant_id, due.tyiyn) for due in paid],
    )
