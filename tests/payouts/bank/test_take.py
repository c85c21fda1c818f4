"""The bank's files: what fits is posted once, what does not is named; nothing is paid twice."""

import pytest
import sqlalchemy as sa

from kench.payouts.accounts import CLIENTS_BANK, participant_kgs, venue_kgs
from kench.payouts.bank.make import BatchKind
from kench.payouts.bank.messages import BankFileError
from kench.payouts.bank.outcomes import Outcome
from tests.payouts.bank.files import Line, camt, pain002
from tests.payouts.bank.purse import (
    VENUE_ACCOUNT,
    arrive,
    earn,
    has,
    make,
    taken,
)

E1 = "KENCH-00000001-0000000001"
E2 = "KENCH-00000001-0000000002"


def take(sell: sa.Engine, raw: bytes) -> list[Outcome]:
    with sell.begin() as connection:
        return [finding.outcome for finding in taken(connection, raw)]


def state(sell: sa.Engine, end_to_end_id: str = E1) -> tuple[str, str]:
    with sell.connect() as connection:
        row = connection.execute(
            sa.text("SELECT state, reason FROM payouts WHERE end_to_end_id = :id"),
            {"id": end_to_end_id},
        ).one()
    return row.state, row.reason


def balance(sell: sa.Engine, code: str) -> tuple[int, int]:
    with sell.connect() as connection:
        return has(connection, code)


def test_a_booked_entry_posts_its_payout_once_from_whichever_file(sell: sa.Engine) -> None:
    line = Line("50.00", end_to_end_id=E1)
    assert take(sell, camt(line)) == [Outcome.BOOKED]
    assert take(sell, camt(line)) == [Outcome.ALREADY]
    statement = camt(line, kind="camt.053", balances=("70.00", "20.00"))
    assert take(sell, statement) == [Outcome.ALREADY, Outcome.BALANCED]
    assert state(sell) == ("booked", "")
    assert balance(sell, participant_kgs(1)) == (0, 0)
    assert balance(sell, CLIENTS_BANK) == (2000, 2000)


def test_a_rejected_payout_returns_to_the_balance_and_is_paid_under_a_new_id(
    sell: sa.Engine,
) -> None:
    assert take(sell, pain002((E1, "RJCT"), (E2, "ACSP"))) == [Outcome.REJECTED, Outcome.NOTED]
    assert take(sell, pain002((E1, "RJCT"))) == [Outcome.ALREADY]
    assert state(sell) == ("rejected", "AC04 closed")
    assert balance(sell, participant_kgs(1)) == (5000, 0)
    with sell.begin() as connection:
        assert make(connection).message_id == "KENCH-00000002"
    assert balance(sell, participant_kgs(1)) == (5000, 5000)
    # The bank books what it said it had rejected: told, and never posted.
    assert take(sell, camt(Line("50.00", end_to_end_id=E1))) == [Outcome.CONFLICT]
    assert balance(sell, CLIENTS_BANK) == (7000, 7000)


def test_a_message_that_is_rejected_whole_returns_all_of_it(sell: sa.Engine) -> None:
    assert take(sell, pain002(group="RJCT")) == [Outcome.REJECTED, Outcome.REJECTED]
    assert balance(sell, CLIENTS_BANK) == (7000, 0)
    assert take(sell, pain002(group="RJCT", message_id="KENCH-00000099")) == [
        Outcome.UNKNOWN_PAYOUT
    ]


def test_a_file_refused_as_sent_twice_takes_nothing_back(sell: sa.Engine) -> None:
    raw = pain002((E1, "RJCT")).replace(b"AC04", b"AM05")
    assert take(sell, raw) == [Outcome.SENT_TWICE]
    assert state(sell) == ("pended", "")


def test_a_payout_that_comes_back_is_owed_again(sell: sa.Engine) -> None:
    debit = Line("50.00", end_to_end_id=E1)
    credit = Line("50.00", "CRDT", E1, "R2", return_reason="AC04")
    assert take(sell, camt(credit)) == [Outcome.RETURNED_EARLY]
    # Within a file what left comes first, however the bank ordered it.
    assert take(sell, camt(credit, debit)) == [Outcome.BOOKED, Outcome.RETURNED]
    assert take(sell, camt(debit, credit)) == [Outcome.ALREADY, Outcome.ALREADY]
    assert state(sell) == ("returned", "AC04 closed")
    assert balance(sell, participant_kgs(1)) == (5000, 0)
    assert balance(sell, CLIENTS_BANK) == (7000, 2000)
    with sell.begin() as connection:
        said = connection.execute(
            sa.text(
                "SELECT due_tyiyn, paid_tyiyn FROM participant_balances WHERE participant_id = 1"
            )
        ).one()
        assert tuple(said) == (5000, 0)
        assert make(connection).total_tyiyn == 5000


def test_fees_that_come_back_are_the_operators_again(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        earn(connection, "lot2", {}, fee=3000)
        arrive(connection, "b2", 3000)
        assert make(connection, BatchKind.OPERATOR).total_tyiyn == 3000
    id_ = "KENCH-00000002-0000000000"
    debit = Line("30.00", end_to_end_id=id_)
    credit = Line("30.00", "CRDT", id_, "R2", is_reversal=True)
    assert take(sell, camt(debit, credit)) == [Outcome.BOOKED, Outcome.RETURNED]
    assert balance(sell, "fee:pool") == (3000, 0)


def test_what_the_bank_did_twice_is_told(sell: sa.Engine) -> None:
    once, again = (Line("50.00", end_to_end_id=E1, reference=name) for name in ("R1", "R2"))
    assert take(sell, camt(once)) == [Outcome.BOOKED]
    assert take(sell, camt(again)) == [Outcome.DUPLICATE]
    other = Line("20.00", end_to_end_id=E2, reference="")
    assert take(sell, camt(other, other)) == [Outcome.BOOKED, Outcome.DUPLICATE]


def test_the_money_of_a_venue_is_booked_by_its_account_and_once(sell: sa.Engine) -> None:
    with sell.begin() as connection:
        earn(connection, "lot2", {1: 3000})
    line = Line("29.00", "CRDT", reference="V1", counterparty=VENUE_ACCOUNT)
    assert take(sell, camt(line)) == [Outcome.VENUE_CREDITED]
    statement = camt(line, kind="camt.053", balances=("70.00", "99.00"))
    assert take(sell, statement) == [Outcome.ALREADY, Outcome.BALANCED]
    assert balance(sell, venue_kgs("paper")) == (100, 0)
    assert balance(sell, CLIENTS_BANK) == (9900, 7000)
    others = {
        Outcome.AMOUNT_DIFFERS: Line("1.00", "CRDT", reference="V1", counterparty=VENUE_ACCOUNT),
        Outcome.EXCEEDS_VENUE: Line("1.01", "CRDT", reference="V2", counterparty=VENUE_ACCOUNT),
        Outcome.NO_REFERENCE: Line("1.00", "CRDT", reference="", counterparty=VENUE_ACCOUNT),
        Outcome.UNKNOWN_CREDIT: Line("1.00", "CRDT", reference="V3", counterparty="777"),
        Outcome.UNKNOWN_DEBIT: Line("1.00", "DBIT", reference="V4", counterparty=VENUE_ACCOUNT),
        Outcome.NOT_BOOKED_YET: Line("1.00", "CRDT", reference="V5", status="PDNG"),
    }
    for outcome, one in others.items():
        assert take(sell, camt(one)) == [outcome]
    assert balance(sell, CLIENTS_BANK) == (9900, 7000)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (Line("50.01", end_to_end_id=E1), Outcome.AMOUNT_DIFFERS),
        (Line("5000", end_to_end_id=E1), Outcome.AMOUNT_DIFFERS),
        (Line("50.00", end_to_end_id=E1, currency="USD"), Outcome.OTHER_CURRENCY),
        (Line("50.00", end_to_end_id=E1, status="PDNG"), Outcome.NOT_BOOKED_YET),
        (Line("50.00", end_to_end_id="KENCH-00000001-0000000009"), Outcome.UNKNOWN_PAYOUT),
        (Line("50.00", end_to_end_id=E1, is_reversal=True), Outcome.CONFLICT),
        (Line("50.00", end_to_end_id="NOTPROVIDED"), Outcome.UNKNOWN_DEBIT),
    ],
)
def test_what_does_not_fit_is_named_and_posts_nothing(
    sell: sa.Engine, line: Line, outcome: Outcome
) -> None:
    assert take(sell, camt(line)) == [outcome]
    assert state(sell) == ("pended", "")
    assert outcome.is_quiet is (outcome is Outcome.NOT_BOOKED_YET)
    with sell.connect() as connection:
        kept = connection.execute(
            sa.text(
                "SELECT outcome FROM bank_files LEFT JOIN bank_entries "
                "ON file_sha256 = bank_files.sha256 WHERE name = 'file.xml'"
            )
        )
        assert kept.scalars().all() == [outcome.value]


def test_a_file_about_another_account_is_refused_whole(sell: sa.Engine) -> None:
    with pytest.raises(BankFileError, match="bank_account"):
        take(sell, camt(Line("50.00", end_to_end_id=E1), account="777"))
    assert state(sell) == ("pended", "")
