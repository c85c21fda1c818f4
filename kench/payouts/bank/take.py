"""Taking the bank's files: each entry is judged, what moves money is posted, all of it is kept.

A file is one transaction. Taking it again, or another file with the same entries, changes nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts.accounts import CLIENTS_BANK, venue_kgs
from kench.payouts.bank import tables
from kench.payouts.bank.make import lock_payouts, payout_posting, return_posting
from kench.payouts.bank.messages import (
    BankFileError,
    Direction,
    Entry,
    Message,
    Status,
    read_messages,
)
from kench.payouts.bank.outcomes import (
    Outcome,
    Payout,
    PayoutState,
    VenueCredit,
    judge_money,
    judge_payment,
    judge_status,
    names_payment,
)
from kench.payouts.postings import Posting, Subject, write

STATES = {
    Outcome.BOOKED: PayoutState.BOOKED,
    Outcome.REJECTED: PayoutState.REJECTED,
    Outcome.RETURNED: PayoutState.RETURNED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one entry or status."""

    outcome: Outcome
    reference: str
    end_to_end_id: str
    amount_tyiyn: int | None
    words: str


@dataclass(frozen=True, slots=True)
class OurSide:
    """What the bank's files are compared with: our account, and the venues by theirs."""

    account: str
    venues: Mapping[str, str]
    """Venue by the number of the account that it pays from."""


def take(
    connection: sa.Connection, raw: bytes, name: str, ours: OurSide, at: datetime
) -> list[Finding]:
    """Take one file whole, in the caller's transaction. Raises BankFileError, UnsafeXmlError."""
    messages = read_messages(raw)
    lock_payouts(connection)
    for message in messages:
        if message.entries and message.account != ours.account:
            raise BankFileError(
                f"this file is about account {message.account[:40] or '(none)'}, and the clients' "
                f"is {ours.account} (bank_account): take it where it belongs"
            )
    connection.execute(
        insert(tables.bank_files)
        .values(
            sha256=messages[0].sha256, kind=messages[0].kind, name=name, document=raw, taken_at=at
        )
        .on_conflict_do_nothing()
    )
    taker = _Taker(connection, ours, at)
    return [finding for message in messages for finding in taker.message(message)]


class _Taker:
    """Judges and books the entries of one file."""

    def __init__(self, connection: sa.Connection, ours: OurSide, at: datetime) -> None:
        self._connection, self._ours, self._at = connection, ours, at

    def message(self, message: Message) -> Iterator[Finding]:
        """Judge and book each entry: what left comes before what came back."""
        seen: Counter[tuple[Direction, str]] = Counter()
        for entry in sorted(message.entries, key=lambda entry: entry.direction is Direction.CREDIT):
            finding = self._entry(entry, seen)
            self._keep(message, entry, finding)
            yield finding
        for status in message.statuses:
            yield from self._status(message, status)

    def _entry(self, entry: Entry, seen: Counter[tuple[Direction, str]]) -> Finding:
        payouts = self._payouts(tables.payouts.c.end_to_end_id == entry.end_to_end_id)
        is_payment = names_payment(entry, payouts)
        key = entry.direction, entry.end_to_end_id if is_payment else entry.reference
        is_repeat = entry.is_booked and seen[key] > 0
        seen[key] += entry.is_booked
        venue = self._ours.venues.get(entry.counterparty)
        payout = payouts.get(entry.end_to_end_id)
        if is_payment:
            outcome = judge_payment(entry, payout, is_repeat=is_repeat)
        else:
            credit = self._credit(entry, venue) if venue else None
            outcome = judge_money(entry, credit, is_repeat=is_repeat)
        if outcome is Outcome.VENUE_CREDITED and venue:
            self._book_credit(entry, venue)
        elif outcome.moves_money and payout:
            self._move(payout, outcome, entry.reason, entry.reference)
        words = entry.reason or (f"venue {venue}" if venue else "")
        return Finding(outcome, entry.reference, entry.end_to_end_id, entry.amount_tyiyn, words)

    def _status(self, message: Message, status: Status) -> Iterator[Finding]:
        columns = tables.payouts.c
        if status.end_to_end_id:
            payouts = self._payouts(columns.end_to_end_id == status.end_to_end_id)
        else:
            batches = tables.payout_batches.c
            payouts = self._payouts(
                columns.batch.in_(
                    sa.select(batches.batch).where(batches.message_id == status.message_id)
                )
            )
        for payout in payouts.values() or [None]:
            outcome = judge_status(status, payout)
            if outcome.moves_money and payout:
                self._move(payout, outcome, status.reason, "")
            end_to_end_id = payout.end_to_end_id if payout else status.end_to_end_id
            amount = payout.amount_tyiyn if payout else None
            words = f"{status.code} {status.reason}".strip()
            finding = Finding(outcome, status.message_id, end_to_end_id, amount, words)
            self._keep(message, None, finding)
            yield finding

    def _move(self, payout: Payout, outcome: Outcome, reason: str, reference: str) -> None:
        """Post, void or take back, and let the payout say so."""
        what = payout.end_to_end_id, payout.participant_id, payout.amount_tyiyn
        values = {"state": STATES[outcome].value, "reason": reason, "changed_at": self._at}
        match outcome:
            case Outcome.BOOKED:
                line = payout_posting(*what).post()
                values["bank_reference"] = reference
            case Outcome.REJECTED:
                line = payout_posting(*what).void()
            case _:
                line = return_posting(*what)
                values["return_reference"] = reference
        write(self._connection, [line])
        self._connection.execute(
            sa.update(tables.payouts)
            .where(tables.payouts.c.end_to_end_id == payout.end_to_end_id)
            .values(values)
        )

    def _book_credit(self, entry: Entry, venue: str) -> None:
        line = Posting.direct(
            Subject.BANK,
            entry.reference,
            CLIENTS_BANK,
            venue_kgs(venue),
            entry.amount_tyiyn or 0,
        )
        write(self._connection, [line])

    def _payouts(self, chosen: sa.ColumnElement[bool]) -> dict[str, Payout]:
        rows = self._connection.execute(
            sa.select(tables.payouts).where(chosen).order_by(tables.payouts.c.end_to_end_id)
        )
        return {
            row.end_to_end_id: Payout(
                row.end_to_end_id,
                row.participant_id,
                row.amount_tyiyn,
                PayoutState(row.state),
                row.bank_reference,
                row.return_reference,
            )
            for row in rows
        }

    def _credit(self, entry: Entry, venue: str) -> VenueCredit:
        kept, balances = tables.bank_entries.c, tables.balances.c
        booked = self._connection.scalar(
            sa.select(kept.amount_tyiyn).where(
                kept.reference == entry.reference, kept.outcome == Outcome.VENUE_CREDITED.value
            )
        )
        owed = self._connection.scalar(
            sa.select(balances.posted - balances.leaving).where(balances.code == venue_kgs(venue))
        )
        return VenueCredit(venue, int(owed or 0), booked)

    def _keep(self, message: Message, entry: Entry | None, finding: Finding) -> None:
        row = {
            "outcome": finding.outcome.value,
            "direction": entry.direction.value if entry else "status",
            "reference": finding.reference,
            "end_to_end_id": finding.end_to_end_id,
            "amount_tyiyn": finding.amount_tyiyn,
            "currency": entry.currency if entry else "",
            "counterparty": entry.counterparty if entry else "",
            "reason": finding.words,
            "booked_date": entry.booked_date if entry else "",
        }
        digest = hashlib.sha256(b"kench bank entry 1")
        for part in row.values():
            said = str(part).encode()
            digest.update(len(said).to_bytes(4, "big") + said)
        self._connection.execute(
            insert(tables.bank_entries)
            .values(id=digest.digest(), file_sha256=message.sha256, taken_at=self._at, **row)
            .on_conflict_do_nothing()
        )
