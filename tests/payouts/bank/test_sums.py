"""A batch that the bank books in one sum is booked whole, to the tyiyn, or named and left alone."""

import pytest
import sqlalchemy as sa

from kench.payouts.accounts import CLIENTS_BANK, participant_kgs
from kench.payouts.bank.outcomes import Outcome
from tests.payouts.bank.files import BatchLine, Line, camt, pain002
from tests.payouts.bank.purse import arrive, earn, has, make, taken

BATCH = "KENCH-00000001"
E1, E2 = f"{BATCH}-0000000001", f"{BATCH}-0000000002"


def take(sell: sa.Engine, *lines: Line | BatchLine, kind: str = "camt.054") -> list[Outcome]:
    with sell.begin() as connection:
        return [finding.outcome for finding in taken(connection, camt(*lines, kind=kind))]


def states(sell: sa.Engine) -> list[str]:
    with sell.connect() as connection:
        query = sa.text("SELECT state FROM payouts ORDER BY end_to_end_id")
        return list(connection.scalars(query))


def at_bank(sell: sa.Engine) -> tuple[int, int]:
    with sell.connect() as connection:
        return has(connection, CLIENTS_BANK)


@pytest.mark.parametrize(
    "line",
    [
        BatchLine("70.00", BATCH),
        BatchLine("70.00", BATCH, reference=""),
        BatchLine("70.00", BATCH, total="70.00"),
        BatchLine("70.00", BATCH, named=(E1, E2)),
        BatchLine("70.00"),
    ],
)
def test_a_batch_booked_in_one_sum_is_booked_whole_and_once(
    sell: sa.Engine, line: BatchLine
) -> None:
    assert take(sell, line) == [Outcome.BATCH_BOOKED]
    assert take(sell, line) == [Outcome.ALREADY]
    assert states(sell) == ["booked", "booked"]
    assert at_bank(sell) == (0, 0)
    # The same money told payment by payment, with references of their own.
    ones = Line("50.00", end_to_end_id=E1, reference="D1"), Line("20.00", "DBIT", E2, "D2")
    assert take(sell, *ones) == [Outcome.ALREADY, Outcome.ALREADY]


def test_what_was_rejected_is_not_in_the_sum(sell: sa.Engine) -> None:
    rest = BatchLine("50.00", BATCH)
    assert take(sell, rest) == [Outcome.BATCH_DIFFERS]
    with sell.begin() as connection:
        taken(connection, pain002((E2, "RJCT")))
    assert take(sell, rest) == [Outcome.BATCH_BOOKED]
    assert states(sell) == ["booked", "rejected"]
    assert at_bank(sell) == (2000, 0)


def test_one_of_a_booked_sum_may_come_back(sell: sa.Engine) -> None:
    assert take(sell, BatchLine("70.00", BATCH)) == [Outcome.BATCH_BOOKED]
    back = Line("20.00", "CRDT", E2, "R2", return_reason="AC04")
    assert take(sell, back) == [Outcome.RETURNED]
    assert take(sell, BatchLine("70.00", BATCH)) == [Outcome.ALREADY]
    with sell.connect() as connection:
        assert has(connection, participant_kgs(2)) == (2000, 0)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (BatchLine("69.99", BATCH), Outcome.BATCH_DIFFERS),
        (BatchLine("50.00", BATCH), Outcome.BATCH_DIFFERS),
        (BatchLine("70.00", BATCH, total="69.00"), Outcome.NO_AMOUNT),
        (BatchLine("70.00", BATCH, direction="CRDT"), Outcome.BATCH_UNCLEAR),
        (BatchLine("70.00", "KENCH-00000009"), Outcome.UNKNOWN_PAYOUT),
        (BatchLine("70.00", "OTHER"), Outcome.UNKNOWN_DEBIT),
        (BatchLine("70.00", reference=""), Outcome.NO_REFERENCE),
        (BatchLine("70.00", date="2026-11-22"), Outcome.BATCH_UNCLEAR),
        (BatchLine("70.00", date=""), Outcome.BATCH_UNCLEAR),
        (BatchLine("50.00"), Outcome.UNKNOWN_DEBIT),
        (BatchLine("70.00", direction="CRDT"), Outcome.UNKNOWN_CREDIT),
    ],
)
def test_a_sum_that_may_be_something_else_books_nothing(
    sell: sa.Engine, line: BatchLine, outcome: Outcome
) -> None:
    assert take(sell, line) == [outcome]
    assert not outcome.is_quiet
    assert states(sell) == ["pended", "pended"]


def test_a_second_sum_for_the_same_batch_is_told(sell: sa.Engine) -> None:
    once, again = BatchLine("70.00", BATCH), BatchLine("70.00", BATCH, reference="B2")
    assert take(sell, once, again) == [Outcome.BATCH_BOOKED, Outcome.DUPLICATE]
    assert take(sell, again) == [Outcome.DUPLICATE]
    assert take(sell, BatchLine("7.00", BATCH)) == [Outcome.BATCH_DIFFERS]
    assert take(sell, BatchLine("7.00")) == [Outcome.AMOUNT_DIFFERS]
    assert take(sell, BatchLine("70.00", reference="B3")) == [Outcome.UNKNOWN_DEBIT]


def test_a_batch_that_is_booked_one_by_one_takes_no_sum(sell: sa.Engine) -> None:
    assert take(sell, Line("50.00", end_to_end_id=E1)) == [Outcome.BOOKED]
    # Is it the payment that was told, or the other?
    assert take(sell, BatchLine("50.00", BATCH)) == [Outcome.BATCH_UNCLEAR]
    assert take(sell, BatchLine("20.00")) == [Outcome.BATCH_UNCLEAR]
    assert take(sell, Line("20.00", "DBIT", E2, "R2")) == [Outcome.BOOKED]
    assert take(sell, BatchLine("70.00", BATCH)) == [Outcome.ALREADY]
    assert take(sell, BatchLine("50.00", BATCH)) == [Outcome.BATCH_UNCLEAR]


def test_a_sum_without_a_name_is_not_guessed_where_two_batches_are_open(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        earn(connection, "lot2", {1: 3000})
        arrive(connection, "b2", 3000)
        assert make(connection).batch == 2
    assert take(sell, BatchLine("30.00")) == [Outcome.BATCH_UNCLEAR]
    assert take(sell, BatchLine("70.00", BATCH)) == [Outcome.BATCH_BOOKED]
    assert take(sell, BatchLine("30.00", reference="B2")) == [Outcome.BATCH_BOOKED]
