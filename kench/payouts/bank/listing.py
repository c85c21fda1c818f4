"""Payouts as people look at them."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from kench.payouts.bank import tables
from kench.pool.errors import KenchError


class PayoutUnknownError(KenchError):
    """There is no payout of that id."""


class PayoutEntry(NamedTuple):
    """A payout with the account it went to."""

    end_to_end_id: str
    participant_id: int
    amount_tyiyn: int
    batch: int
    state: str
    reason: str
    account: str
    changed_at: datetime


def list_payouts(connection: sa.Connection, end_to_end_id: str | None = None) -> list[PayoutEntry]:
    """Return all payouts, the newest last, or one. Raises PayoutUnknownError."""
    payouts, accounts = tables.payouts.c, tables.bank_accounts.c
    chosen = (
        sa.select(
            payouts.end_to_end_id, payouts.participant_id, payouts.amount_tyiyn, payouts.batch,
            payouts.state, payouts.reason, accounts.number, payouts.changed_at,
        )
        .join_from(
            tables.payouts,
            tables.bank_accounts,
            (accounts.participant_id == payouts.participant_id)
            & (accounts.version == payouts.account_version),
        )
        .order_by(payouts.batch, payouts.participant_id)
    )  # fmt: skip
    if end_to_end_id is not None:
        chosen = chosen.where(payouts.end_to_end_id == end_to_end_id)
    entries = [PayoutEntry(*row) for row in connection.execute(chosen)]
    if end_to_end_id is not None and not entries:
        raise PayoutUnknownError(
            f"there is no payout {end_to_end_id[:40]!r}: `kench payout list` shows all"
        )
    return entries
