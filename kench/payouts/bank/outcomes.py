"""What an entry or a status of the bank means for our books: pure.

Only four outcomes move money, each once. All that does not fit is named and listed; none of it is
posted, and none is passed over in silence.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from kench.payouts.bank.messages import Direction, Entry, Status
from kench.payouts.bank.pain001 import CURRENCY

OUR_PREFIX = "KENCH-"
REJECTED = "RJCT"
DUPLICATE_CODES = ("AM05", "DU01", "DU02", "DU03", "DU04", "DU05", "DUPL")
"""Reasons for refusing a file or payment since the bank has it already: it may well be paid."""


class PayoutState(enum.StrEnum):
    """What became of a payout."""

    PENDED = "pended"
    BOOKED = "booked"
    REJECTED = "rejected"
    RETURNED = "returned"


class Outcome(enum.StrEnum):
    """What came of an entry or a status."""

    BOOKED = "booked"
    REJECTED = "rejected"
    RETURNED = "returned"
    VENUE_CREDITED = "venue_credited"

    ALREADY = "already"
    NOT_BOOKED_YET = "not_booked_yet"
    NOTED = "noted"

    UNKNOWN_PAYOUT = "unknown_payout"
    UNKNOWN_CREDIT = "unknown_credit"
    UNKNOWN_DEBIT = "unknown_debit"
    AMOUNT_DIFFERS = "amount_differs"
    NO_AMOUNT = "no_amount"
    OTHER_CURRENCY = "other_currency"
    NO_REFERENCE = "no_reference"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    RETURNED_EARLY = "returned_early"
    SENT_TWICE = "sent_twice"
    EXCEEDS_VENUE = "exceeds_venue"

    @property
    def moves_money(self) -> bool:
        """Whether it is posted."""
        return self in _MOVES

    @property
    def is_quiet(self) -> bool:
        """Whether nobody has to look at it."""
        return self in _MOVES | _QUIET


_MOVES = {Outcome.BOOKED, Outcome.REJECTED, Outcome.RETURNED, Outcome.VENUE_CREDITED}
_QUIET = {Outcome.ALREADY, Outcome.NOT_BOOKED_YET, Outcome.NOTED}


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as the books have it."""

    end_to_end_id: str
    participant_id: int
    amount_tyiyn: int
    state: PayoutState
    bank_reference: str = ""
    return_reference: str = ""


@dataclass(frozen=True, slots=True)
class VenueCredit:
    """What is known of the sender of a credit: its venue, what it owes, what it has sent before."""

    venue: str
    owed_tyiyn: int
    booked_tyiyn: int | None = None
    """Amount that was booked under this very reference before."""


def judge_payment(entry: Entry, payout: Payout | None, *, is_repeat: bool) -> Outcome:
    """Judge an entry that names a payment; `is_repeat`: it came before in the same message."""
    blemish = _blemish(entry)
    if blemish is not None:
        return blemish
    if payout is None:
        return Outcome.UNKNOWN_PAYOUT
    if entry.amount_tyiyn != payout.amount_tyiyn:
        return Outcome.AMOUNT_DIFFERS
    if is_repeat:
        return Outcome.DUPLICATE
    is_credit = entry.direction is Direction.CREDIT
    return _judge_return(entry, payout) if is_credit else _judge_debit(entry, payout)


def _judge_debit(entry: Entry, payout: Payout) -> Outcome:
    if entry.is_return:
        return Outcome.CONFLICT
    match payout.state:
        case PayoutState.PENDED:
            return Outcome.BOOKED
        case PayoutState.REJECTED:
            # The balance was given back, and now the money has left all the same.
            return Outcome.CONFLICT
        case _:
            return _same(entry.reference, payout.bank_reference)


def _judge_return(entry: Entry, payout: Payout) -> Outcome:
    match payout.state:
        case PayoutState.BOOKED:
            return Outcome.RETURNED
        case PayoutState.PENDED:
            return Outcome.RETURNED_EARLY
        case PayoutState.REJECTED:
            return Outcome.CONFLICT
        case PayoutState.RETURNED:
            return _same(entry.reference, payout.return_reference)


def _same(reference: str, known: str) -> Outcome:
    """Another reference is another movement of money for the same payment."""
    differs = reference and known and reference != known
    return Outcome.DUPLICATE if differs else Outcome.ALREADY


def judge_money(entry: Entry, credit: VenueCredit | None, *, is_repeat: bool) -> Outcome:
    """Judge an entry that names no payment of ours: the proceeds of a venue, or a stranger's."""
    blemish = _blemish(entry)
    if blemish is not None:
        return blemish
    if credit is None or entry.direction is Direction.DEBIT or entry.is_return:
        is_credit = entry.direction is Direction.CREDIT
        return Outcome.UNKNOWN_CREDIT if is_credit else Outcome.UNKNOWN_DEBIT
    if not entry.reference:
        return Outcome.NO_REFERENCE
    if is_repeat:
        return Outcome.DUPLICATE
    if credit.booked_tyiyn is not None:
        same = credit.booked_tyiyn == entry.amount_tyiyn
        return Outcome.ALREADY if same else Outcome.AMOUNT_DIFFERS
    exceeds = (entry.amount_tyiyn or 0) > credit.owed_tyiyn
    return Outcome.EXCEEDS_VENUE if exceeds else Outcome.VENUE_CREDITED


def judge_status(status: Status, payout: Payout | None) -> Outcome:
    """Judge what a report says of one payout."""
    if payout is None:
        return Outcome.UNKNOWN_PAYOUT
    if status.code != REJECTED:
        return Outcome.NOTED
    if status.reason.startswith(DUPLICATE_CODES):
        return Outcome.SENT_TWICE
    match payout.state:
        case PayoutState.PENDED:
            return Outcome.REJECTED
        case PayoutState.REJECTED:
            return Outcome.ALREADY
        case _:
            return Outcome.CONFLICT


def names_payment(entry: Entry, payouts: Mapping[str, Payout]) -> bool:
    """Whether an entry is about a payment that we ordered, or says so."""
    return entry.end_to_end_id in payouts or entry.end_to_end_id.startswith(OUR_PREFIX)


def _blemish(entry: Entry) -> Outcome | None:
    if not entry.is_booked:
        return Outcome.NOT_BOOKED_YET
    if entry.currency != CURRENCY:
        return Outcome.OTHER_CURRENCY
    if not entry.amount_tyiyn:
        return Outcome.NO_AMOUNT
    return None
