"""The bank's files are read as they are meant, and refused where they mean two things."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.bank.messages import Balances, BankFileError, Direction, Entry, read_messages
from kench.payouts.bank.xml import UnsafeXmlError
from tests.payouts.bank.files import ACCOUNT, Line, camt, pain002


def entries(raw: bytes) -> list[Entry]:
    return [entry for message in read_messages(raw) for entry in message.entries]


@pytest.mark.parametrize("version", ["02", "04", "08", "12"])
@pytest.mark.parametrize("kind", ["camt.053", "camt.054"])
def test_an_entry_is_read_from_any_version(kind: str, version: str) -> None:
    line = Line("123.45", end_to_end_id="E1", counterparty="99")
    raw = camt(line, kind=kind, version=version)
    if version < "08":
        raw = raw.replace(b"<Sts><Cd>BOOK</Cd></Sts>", b"<Sts>BOOK</Sts>")
    (entry,) = entries(raw)
    assert entry == Entry(
        Direction.DEBIT, "R1", "E1", 12_345, "KGS", True, False, "", "2026-11-23", "99"
    )


def test_returns_and_reversals_are_told_apart_with_their_reason() -> None:
    returned, reversed_ = entries(
        camt(
            Line("1", "CRDT", "E1", return_reason="AC04"),
            Line("1", "CRDT", "E2", is_reversal=True),
        )
    )
    assert (returned.is_return, returned.reason) == (True, "AC04 closed")
    assert (reversed_.is_return, reversed_.reason) == (True, "")


@pytest.mark.parametrize(
    ("amount", "tyiyn"),
    [("1", 100), ("0.01", 1), ("1.5", 150), ("1.50000", 150), ("1.505", None), ("-1", None),
     ("1e3", None), ("NaN", None), ("", None), ("1,50", None), ("9" * 16, None)],
)  # fmt: skip
def test_an_amount_is_whole_tyiyn_or_none(amount: str, tyiyn: int | None) -> None:
    raw = camt(Line(amount, status="PDNG"))
    assert [entry.amount_tyiyn for entry in entries(raw)] == [tyiyn]


def test_several_payments_in_one_entry_are_several() -> None:
    inner = "".join(
        f'<TxDtls><Refs><EndToEndId>E{n}</EndToEndId></Refs><Amt Ccy="KGS">{n}</Amt></TxDtls>'
        for n in (1, 2)
    )
    whole = (
        '<Ntry><Amt Ccy="KGS">{}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'
        f"<AcctSvcrRef>R</AcctSvcrRef><NtryDtls>{inner}</NtryDtls></Ntry>"
    )
    found = entries(camt(whole.format(3)))
    assert [(e.end_to_end_id, e.amount_tyiyn, e.reference) for e in found] == [
        ("E1", 100, ""), ("E2", 200, ""),
    ]  # fmt: skip
    # Where they do not sum to the entry, none of them is believed.
    assert [e.amount_tyiyn for e in entries(camt(whole.format(4)))] == [None, None]


def test_a_statement_whose_balances_do_not_tie_is_refused() -> None:
    lines = (Line("10"), Line("3", "CRDT"), Line("5", status="PDNG"))
    raw = camt(*lines, kind="camt.053", balances=("100.00", "93.00"), number=7)
    (message,) = read_messages(raw)
    assert message.account == ACCOUNT
    assert message.balances == Balances(7, 10_000, 9300, "2026-11-23")
    with pytest.raises(BankFileError, match="do not make closing"):
        read_messages(camt(*lines, kind="camt.053", balances=("100.00", "93.01")))


def test_a_report_has_statuses_of_payments_and_of_all() -> None:
    (message,) = read_messages(pain002(("E1", "RJCT"), ("", "RJCT"), group="PART"))
    found = [(s.message_id, s.end_to_end_id, s.code, s.reason) for s in message.statuses]
    assert found == [
        ("KENCH-00000001", "", "PART", ""),
        ("KENCH-00000001", "E1", "RJCT", "AC04 closed"),
        ("KENCH-00000001", "(none)", "RJCT", "AC04 closed"),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>',
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"/>',
        b'<Document xmlns="urn:example:camt.053.001.08"><BkToCstmrStmt/></Document>',
        b'<Other xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"/>',
        b"<Document/>",
        camt(Line("1", "BOTH")),
        camt(Line("x")),
    ],
)
def test_other_documents_are_refused(raw: bytes) -> None:
    with pytest.raises(BankFileError):
        read_messages(raw)


@given(st.data())
def test_a_spoilt_file_is_read_or_refused_never_worse(data: st.DataObject) -> None:
    raw = bytearray(camt(Line("10", end_to_end_id="E1"), kind="camt.053", balances=("20", "10")))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(BankFileError, UnsafeXmlError):
        read_messages(bytes(raw))
