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
from kench.payouts.bank.books import (
    read_batch,
    read_credit,
    read_open_batches,
    read_payout,
    read_sum_of,
    read_sum_under,
)
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
    judge_batch,
    judge_money,
    judge_payment,
    judge_status,
    judge_sum,
    may_be_sum,
    names_batch,
    names_payment,
)
from kench.payouts.bank.statements import compare_statements, keep_statement
from kench.payouts.postings import Posting, Subject, write

ACCOUNT_KINDS = {"camt.053", "camt.054"}
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
        if message.kind in ACCOUNT_KINDS and message.account != ours.account:
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
    findings = [finding for message in messages for finding in taker.message(message)]
    for place, message in enumerate(messages):
        keep_statement(connection, message, place, at)
    if any(message.balances for message in messages):
        findings += [
            Finding(one.outcome, one.statement.said, "", one.statement.closing_tyiyn, one.words)
            for one in compare_statements(connection)
        ]
    return findings


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
        payout = read_payout(self._connection, entry.end_to_end_id)
        is_payment = payout is not None or names_payment(entry)
        is_batch = not is_payment and names_batch(entry)
        name = entry.end_to_end_id if is_payment else entry.batch_id if is_batch else ""
        key = entry.direction, name or entry.reference
        is_repeat = entry.is_booked and seen[key] > 0
        seen[key] += entry.is_booked
        venue = self._ours.venues.get(entry.counterparty)
        words = entry.reason or (f"venue {venue}" if venue else "")
        if is_payment:
            outcome = judge_payment(entry, payout, is_repeat=is_repeat)
            if outcome.moves_money and payout:
                self._move(payout, outcome, entry.reason, entry.reference)
        elif is_batch or may_be_sum(entry):
            outcome, name = self._sum(entry, is_repeat=is_repeat)
        else:
            credit = read_credit(self._connection, entry, venue) if venue else None
            outcome = judge_money(entry, credit, is_repeat=is_repeat)
            if outcome is Outcome.VENUE_CREDITED and venue:
                self._book_credit(entry, venue)
        return Finding(
            outcome, entry.reference, name or entry.end_to_end_id, entry.amount_tyiyn, words
        )

    def _sum(self, entry: Entry, *, is_repeat: bool) -> tuple[Outcome, str]:
        """Judge and book what may be a batch in one sum; return its outcome and the batch."""
        name = entry.batch_id
        if name:
            payouts = read_batch(self._connection, name)
            booked = read_sum_of(self._connection, name)
            outcome = judge_batch(entry, payouts, booked, is_repeat=is_repeat)
        else:
            batches = read_open_batches(self._connection)
            booked = read_sum_under(self._connection, entry.reference)
            outcome = judge_sum(entry, batches, booked, is_repeat=is_repeat)
            if outcome is Outcome.BATCH_BOOKED:
                name = batches[0].message_id
                payouts = read_batch(self._connection, name)
        if outcome is Outcome.BATCH_BOOKED:
            self._book_batch([one for one in payouts if one.state is PayoutState.PENDED])
        return outcome, name

    def _status(self, message: Message, status: Status) -> Iterator[Finding]:
        payouts: list[Payout | None]
        if status.end_to_end_id:
            payout = read_payout(self._connection, status.end_to_end_id)
            payouts = [payout]
        else:
            payouts = [*read_batch(self._connection, status.message_id)] or [None]
        for one in payouts:
            outcome = judge_status(status, one)
            if outcome.moves_money and one:
                self._move(one, outcome, status.reason, "")
            end_to_end_id = one.end_to_end_id if one else status.end_to_end_id
            amount = one.amount_tyiyn if one else None
            words = f"{status.code} {status.reason}".strip()
            finding = Finding(outcome, status.message_id, end_to_end_id, amount, words)
            self._keep(message, None, finding)
            yield finding

    def _book_batch(self, payouts: list[Payout]) -> None:
        """Post all at once. No reference is kept: a file that names each has one for each."""
        write(
            self._connection,
            [
                payout_posting(one.end_to_end_id, one.participant_id, one.amount_tyiyn).post()
                for one in payouts
            ],
        )
        self._connection.execute(
            sa.update(tables.payouts)
            .where(tables.payouts.c.end_to_end_id.in_([one.end_to_end_id for one in payouts]))
            .values(state=PayoutState.BOOKED.value, reason="", changed_at=self._at)
        )

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
