"""Whose money goes to which account: each change is a new version, none is forgotten."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from kench.payouts.bank import tables
from kench.payouts.bank.account import BankAccount, BankAccountError
from kench.pool.register import participants

OPERATOR = 0
"""Stands for the operator where participants have their ids."""


class KeptAccount(NamedTuple):
    """A version of somebody's account."""

    participant_id: int
    version: int
    account: BankAccount
    threshold_tyiyn: int | None
    at: datetime


def set_account(  # noqa: PLR0913 - one row
    connection: sa.Connection,
    participant_id: int,
    account: BankAccount,
    threshold_tyiyn: int | None,
    at: datetime,
    *,
    notice_id: int | None = None,
    entered_by: int | None = None,
) -> int:
    """Keep a participant's account from now on; return its version. Raises BankAccountError.

    By a signed notice where one is named, and by the person who entered it.
    """
    known = sa.select(participants.c.id).where(participants.c.id == participant_id)
    if participant_id != OPERATOR and connection.scalar(known) is None:
        raise BankAccountError(
            f"there is no participant {participant_id}: `kench participant list` shows all"
        )
    columns = tables.bank_accounts.c
    last = connection.scalar(
        sa.select(sa.func.max(columns.version)).where(columns.participant_id == participant_id)
    )
    version = (last or 0) + 1
    connection.execute(
        sa.insert(tables.bank_accounts).values(
            participant_id=participant_id,
            version=version,
            holder=account.holder,
            number=account.number,
            bank=account.bank,
            threshold_tyiyn=threshold_tyiyn,
            at=at,
            notice_id=notice_id,
            entered_by=entered_by,
        )
    )
    return version


def accounts_in_force(connection: sa.Connection) -> dict[int, KeptAccount]:
    """Return everybody's last version by participant id."""
    columns = tables.bank_accounts.c
    rows = connection.execute(
        sa.select(tables.bank_accounts)
        .ext(distinct_on(columns.participant_id))
        .order_by(columns.participant_id, columns.version.desc())
    )
    return {
        row.participant_id: KeptAccount(
            row.participant_id,
            row.version,
            BankAccount(row.holder, row.number, row.bank),
            row.threshold_tyiyn,
            row.at,
        )
        for row in rows
    }
