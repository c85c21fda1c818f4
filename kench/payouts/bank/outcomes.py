"""What an entry or a status of the bank means for our books: pure.

Only five outcomes move money, each once. All that does not fit is named and listed; none of it is
posted, and none is passed over in silence.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from kench.payouts.bank.messages import CURRENCY, Direction, Entry, Status

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
    BATCH_BOOKED = "batch_booked"
    REJECTED = "rejected"
    RETURNED = "returned"
    VENUE_CREDITED = "venue_credited"

    BALANCED = "balanced"
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
    BATCH_DIFFERS = "batch_differs"
    BATCH_UNCLEAR = "batch_unclear"
    BALANCE_DIFFERS = "balance_differs"
    OPENING_DIFFERS = "opening_differs"
    STATEMENT_MISSING = "statement_missing"
    STATEMENT_UNCLEAR = "statement_unclear"

    @property
    def moves_money(self) -> bool:
        """Whether it is posted."""
        return self in _MOVES

    @property
    def is_quiet(self) -> bool:
        """Whether nobody has to look at it."""
        return self in _MOVES | _QUIET


_MOVES = {
    Outcome.BOOKED,
    Outcome.BATCH_BOOKED,
    Outcome.REJECTED,
    Outcome.RETURNED,
    Outcome.VENUE_CREDITED,
}
_QUIET = {Outcome.BALANCED, Outcome.ALREADY, Outcome.NOT_BOOKED_YET, Outcome.NOTED}


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
class OpenBatch:
    """A batch of which payouts are still pended."""

    message_id: str
    made_date: str
    open_tyiyn: int
    is_begun: bool
    """Whether some of it was booked already, one by one."""


@dataclass(frozen=True, slots=True)
class KnownSum:
    """The entry by which a batch was booked in one sum."""

    reference: str
    amount_tyiyn: int


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


def judge_batch(
    entry: Entry, payouts: Sequence[Payout], booked: KnownSum | None, *, is_repeat: bool
) -> Outcome:
    """Judge an entry that names a batch of ours; `booked`: the sum it was booked by before."""
    blemish = _blemish(entry)
    if blemish is not None:
        return blemish
    if not payouts:
        return Outcome.UNKNOWN_PAYOUT
    if entry.direction is Direction.CREDIT or entry.is_return:
        # Which of its payments came back, nobody can tell.
        return Outcome.BATCH_UNCLEAR
    if is_repeat:
        return Outcome.DUPLICATE
    if booked is None:
        return _judge_first_sum(entry, payouts)
    is_same = entry.amount_tyiyn == booked.amount_tyiyn
    return _same(entry.reference, booked.reference) if is_same else Outcome.BATCH_DIFFERS


def _judge_first_sum(entry: Entry, payouts: Sequence[Payout]) -> Outcome:
    left = [one for one in payouts if one.state in {PayoutState.BOOKED, PayoutState.RETURNED}]
    pended = [one for one in payouts if one.state is PayoutState.PENDED]
    if left:
        # They were booked one by one: this is the same money or more of it.
        is_same = not pended and entry.amount_tyiyn == sum(one.amount_tyiyn for one in left)
        return Outcome.ALREADY if is_same else Outcome.BATCH_UNCLEAR
    is_all = entry.amount_tyiyn == sum(one.amount_tyiyn for one in pended)
    return Outcome.BATCH_BOOKED if is_all else Outcome.BATCH_DIFFERS


def judge_sum(
    entry: Entry, batches: Sequence[OpenBatch], booked: KnownSum | None, *, is_repeat: bool
) -> Outcome:
    """Judge a debit that names nothing: that of the only open batch, if it is so to the tyiyn.

    `batches` are those with pended payouts, `booked` the sum of a batch under this reference.
    """
    stranger = judge_money(entry, None, is_repeat=is_repeat)
    if stranger is not Outcome.UNKNOWN_DEBIT or entry.is_return:
        return stranger
    if booked is not None:
        is_same = booked.amount_tyiyn == entry.amount_tyiyn
        again = Outcome.DUPLICATE if is_repeat else Outcome.ALREADY
        return again if is_same else Outcome.AMOUNT_DIFFERS
    if all(batch.open_tyiyn != entry.amount_tyiyn for batch in batches):
        return stranger
    first = batches[0]
    is_late = bool(entry.booked_date) and entry.booked_date >= first.made_date
    if len(batches) > 1 or first.is_begun or not is_late:
        return Outcome.BATCH_UNCLEAR
    return Outcome.BATCH_BOOKED if entry.reference else Outcome.NO_REFERENCE


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


def names_payment(entry: Entry) -> bool:
    """Whether an entry says that it is about a payment of ours."""
    return entry.end_to_end_id.startswith(OUR_PREFIX)


def names_batch(entry: Entry) -> bool:
    """Whether an entry is about a batch of ours as a whole."""
    return entry.is_sum and entry.batch_id.startswith(OUR_PREFIX)


def may_be_sum(entry: Entry) -> bool:
    """Whether an entry says nothing of whom it is about, as the sum of a batch may."""
    return entry.is_sum and not entry.batch_id and entry.direction is Direction.DEBIT


def _blemish(entry: Entry) -> Outcome | None:
    if not entry.is_booked:
        return Outcome.NOT_BOOKED_YET
    if entry.currency != CURRENCY:
        return Outcome.OTHER_CURRENCY
    if not entry.amount_tyiyn:
        return Outcome.NO_AMOUNT
    return None
