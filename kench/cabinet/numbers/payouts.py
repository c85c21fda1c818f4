"""A participant's payouts and bank account, as people may see them."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from kench.payouts.bank.outcomes import PayoutState

DIGITS_SHOWN = 4
FIRST_BATCH = 2**31 - 1
"""Beyond every batch: where the newest payouts begin."""


class Payout(NamedTuple):
    """One payout."""

    end_to_end_id: str
    batch: int
    amount_tyiyn: int
    state: PayoutState
    made_at: datetime
    changed_at: datetime
    order_number: int
    reason: str
    """As the bank says it; its code comes first."""
    bank_reference: str
    account: str
    """Masked."""


class AccountShown(NamedTuple):
    """The account that the next payout goes to."""

    holder: str
    number: str
    """Masked."""
    bank: str
    since: datetime
    threshold_tyiyn: int | None
    notice_id: int | None
    """The signed notice that it follows; None: entered by the pool's operator."""
    entered_by: str | None
    """Name of the officer who entered it."""


_PAYOUTS = sa.text("""
    SELECT end_to_end_id, batch, amount_tyiyn, state, made_at, changed_at,
        payout_batches.order_number, reason, bank_reference, bank_accounts.number
    FROM payouts JOIN payout_batches USING (batch)
    JOIN bank_accounts ON (bank_accounts.participant_id, version)
        = (payouts.participant_id, account_version)
    WHERE payouts.participant_id = :participant AND batch < :before
    ORDER BY batch DESC LIMIT :most
""")
_ACCOUNT = sa.text("""
    SELECT holder, number, bank, at, threshold_tyiyn, notice_id, persons.name AS entered_by
    FROM bank_accounts LEFT JOIN persons ON persons.id = entered_by
    WHERE participant_id = :participant ORDER BY version DESC LIMIT 1
""")


def read_payouts(
    db: sa.Connection, participant_id: int, *, most: int, before: int = FIRST_BATCH
) -> list[Payout]:
    """Return so many payouts, newest first, of batches before one."""
    values = {"participant": participant_id, "most": most, "before": before}
    return [
        Payout(
            end_to_end_id=row.end_to_end_id,
            batch=row.batch,
            amount_tyiyn=row.amount_tyiyn,
            state=PayoutState(row.state),
            made_at=row.made_at,
            changed_at=row.changed_at,
            order_number=row.order_number,
            reason=row.reason,
            bank_reference=row.bank_reference,
            account=masked(row.number),
        )
        for row in db.execute(_PAYOUTS, values)
    ]


def read_account(db: sa.Connection, participant_id: int) -> AccountShown | None:
    """Return the account in force; None where there is none yet."""
    row = db.execute(_ACCOUNT, {"participant": participant_id}).one_or_none()
    if row is None:
        return None
    return AccountShown(
        row.holder, masked(row.number), row.bank, row.at, row.threshold_tyiyn, row.notice_id,
        row.entered_by,
    )  # fmt: skip


def masked(number: str) -> str:
    """Return an account's number with its last digits alone."""
    return "•••• " + number[-DIGITS_SHOWN:] if len(number) > 2 * DIGITS_SHOWN else "••••"
