"""The record: one text for one value, and names that are read strictly."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.income.errors import IncomeError
from kench.payouts.income.record import (
    Facts,
    Payout,
    Record,
    Reference,
    Taxpayer,
    make_record,
    read_record,
    read_reference,
)
from kench.payouts.proofs.canonical import encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def record_of(name: str = "ОсОО «Кең»", amount: int = 5) -> Record:
    """A record of one payout."""
    paid = Payout("KENCH-1", "2026-10-05T11:00:00+06:00", amount, "paid", "ab")
    return make_record(
        Reference("2026-10", 7, "2026-10-05", 1), Taxpayer(7, name=name), Facts(payouts=(paid,))
    )


@given(TEXT, st.integers(-(2**62), 2**62))
def test_a_record_is_canonical_json_and_reads_back_the_same(name: str, amount: int) -> None:
    record = record_of(name, amount)
    content = record.canonical()
    assert content == encode(msgspec.to_builtins(record))
    assert read_record(content) == record
    assert record.totals.paid_tyiyn == amount


def test_a_correction_that_says_nothing_else_is_told_from_one_that_does() -> None:
    record = record_of()
    renamed = msgspec.structs.replace(record, doc_ref="KG-2026-10-7-2026-10-05-2", corrects="x")
    assert record.says_the_same(renamed)
    assert not record.says_the_same(record_of("ОсОО «Нарын»"))


@pytest.mark.parametrize(
    "text",
    ["", "KG-2026-10-7-2026-11-05-1", "KG-2026-10-07-2026-10-05-1", "KG-2026-10-7-2026-10-05-0",
     "KG-2026-10-7-2026-10-05-1\n", "KG-2026-10-7-2026-10-05-٣", "x" * 100],
)  # fmt: skip
def test_what_names_no_record_is_refused(text: str) -> None:
    with pytest.raises(IncomeError, match="names no income record"):
        read_reference(text)


def test_a_name_reads_back_as_it_is_written() -> None:
    assert str(read_reference("KG-2026-10-7-2026-10-05-12")) == "KG-2026-10-7-2026-10-05-12"


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(IncomeError, match="no income record"):
        read_record(b"{}")
