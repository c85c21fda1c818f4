"""What our books have of payouts, batches and venues, for the bank's entries to be judged by."""

import sqlalchemy as sa

from kench.payouts.accounts import venue_kgs
from kench.payouts.bank import tables
from kench.payouts.bank.messages import Entry
from kench.payouts.bank.outcomes import (
    KnownSum,
    OpenBatch,
    Outcome,
    Payout,
    PayoutState,
    VenueCredit,
)
from kench.pool.moments import BISHKEK


def read_payout(connection: sa.Connection, end_to_end_id: str) -> Payout | None:
    """Return a payout by its own id."""
    found = _payouts(connection, tables.payouts.c.end_to_end_id == end_to_end_id)
    return found[0] if found else None


def read_batch(connection: sa.Connection, message_id: str) -> list[Payout]:
    """Return the payouts of a batch; none where there is no such batch."""
    batches = tables.payout_batches.c
    number = sa.select(batches.batch).where(batches.message_id == message_id).scalar_subquery()
    return _payouts(connection, tables.payouts.c.batch == number)


def read_open_batches(connection: sa.Connection) -> list[OpenBatch]:
    """Return the batches that have pended payouts, the oldest first."""
    payouts, batches = tables.payouts.c, tables.payout_batches.c
    amount = sa.func.sum(payouts.amount_tyiyn)
    is_pended = payouts.state == PayoutState.PENDED
    has_left = payouts.state.in_([PayoutState.BOOKED, PayoutState.RETURNED])
    still_open = sa.select(payouts.batch).where(is_pended)
    rows = connection.execute(
        sa.select(
            batches.message_id,
            batches.made_at,
            amount.filter(is_pended).label("open"),
            sa.func.bool_or(has_left).label("is_begun"),
        )
        .join_from(tables.payout_batches, tables.payouts, batches.batch == payouts.batch)
        .where(batches.batch.in_(still_open))
        .group_by(batches.batch)
        .order_by(batches.batch)
    )
    return [
        OpenBatch(
            row.message_id,
            row.made_at.astimezone(BISHKEK).date().isoformat(),
            int(row.open),
            row.is_begun,
        )
        for row in rows
    ]


def read_sum_of(connection: sa.Connection, message_id: str) -> KnownSum | None:
    """Return the entry by which a batch was booked in one sum, if it was."""
    return _sum(connection, tables.bank_entries.c.end_to_end_id == message_id)


def read_sum_under(connection: sa.Connection, reference: str) -> KnownSum | None:
    """Return the entry of that reference of the bank, if a batch was booked by it."""
    return _sum(connection, tables.bank_entries.c.reference == reference) if reference else None


def read_credit(connection: sa.Connection, entry: Entry, venue: str) -> VenueCredit:
    """Return what a venue owes, and what was booked under the entry's reference before."""
    kept, balances = tables.bank_entries.c, tables.balances.c
    booked = connection.scalar(
        sa.select(kept.amount_tyiyn).where(
            kept.reference == entry.reference, kept.outcome == Outcome.VENUE_CREDITED.value
        )
    )
    owed = connection.scalar(
        sa.select(balances.posted - balances.leaving).where(balances.code == venue_kgs(venue))
    )
    return VenueCredit(venue, int(owed or 0), booked)


def _sum(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> KnownSum | None:
    kept = tables.bank_entries.c
    row = connection.execute(
        # Written out, not bound: the index is of these rows alone.
        sa.select(kept.reference, kept.amount_tyiyn).where(
            chosen, kept.outcome == sa.literal_column(f"'{Outcome.BATCH_BOOKED.value}'")
        )
    ).one_or_none()
    return KnownSum(row.reference, int(row.amount_tyiyn)) if row else None


def _payouts(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> list[Payout]:
    rows = connection.execute(
        sa.select(tables.payouts).where(chosen).order_by(tables.payouts.c.end_to_end_id)
    )
    return [
        Payout(
            row.end_to_end_id,
            row.participant_id,
            row.amount_tyiyn,
            PayoutState(row.state),
            row.bank_reference,
            row.return_reference,
        )
        for row in rows
    ]
