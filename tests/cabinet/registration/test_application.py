"""An application is read strictly, and what a draft lacks is told in words."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.registration.application import Application, Draft, read_draft
from kench.cabinet.registration.attachments import AttachmentKind
from kench.cabinet.registration.bodies import (
    BodyError,
    Withdrawal,
    application_body,
    data_line,
    data_of,
    decision_body,
)
from kench.cabinet.registration.decisions import Decision, Ground
from kench.cabinet.registration.equipment import read_rows, row_of, terahashes, total_of
from kench.cabinet.registration.regions import Region
from tests.support.applications import ROW, TODAY, application, attachment, draft
from tests.support.pki import PIN


def said(given: Draft, pin: str = PIN) -> list[str]:
    gaps = read_draft(given, pin, TODAY)
    assert isinstance(gaps, list)
    return [gap.said(str) for gap in gaps]


def test_a_whole_draft_becomes_an_application_in_whole_numbers() -> None:
    read = application()
    (row,) = read.equipment
    assert (row.quantity, row.hashrate_ghs, row.power_w) == (120, 234_500, 3510)
    assert row.full_load_kwh_month == 120 * 3510 * 744 // 1000
    assert total_of(read.equipment).hashrate_ghs == 120 * 234_500
    assert read.certificate is not None
    assert read.certificate.issued == date(2026, 10, 1)


def test_an_empty_draft_is_told_all_that_it_lacks() -> None:
    lines = said(Draft())
    assert "Say if you have a mining certificate or apply for it now" in lines
    assert "Equipment: name at least one model" in lines
    assert "An e-mail address is missing" in lines
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"way": "both"}, "Say if you have a mining certificate"),
        ({"certificate_number": " "}, "number of the mining certificate is missing"),
        ({"certificate_issued": "2026-11-24"}, "on which day the mining certificate"),
        ({"certificate_issued": "2026-02-30"}, "on which day the mining certificate"),
        ({"kind": "state"}, "Say who applies"),
        ({"name": "\u200b"}, "name of the applicant is missing"),
        ({"tax_number": "123"}, "has 14 digits"),
        ({"tax_number": "10103199000456"}, "personal number of their signature"),
        ({"address": "x" * 301}, "address of the applicant"),
        ({"phone": "call me"}, "telephone number is missing"),
        ({"email": "asan@kg"}, "e-mail address is missing"),
        ({"kind": "entity"}, "which post"),
        ({"kind": "entity", "post": "director"}, "you may sign for the legal entity"),
        ({"way": "joint"}, "that clause 11 names"),
    ],
)
def test_what_is_missing_is_said(changed: dict[str, str], line: str) -> None:
    assert any(line in one for one in said(draft(**changed)))


def test_a_legal_entity_applies_with_its_own_number() -> None:
    given = draft(kind="entity", post="director", tax_number="01234567890123")
    given.attachments.append(attachment(AttachmentKind.AUTHORITY))
    assert application(given).applicant.post == "director"


def test_leased_equipment_needs_its_contract() -> None:
    given = draft()
    given.rows.append(ROW | {"holding": "lease"})
    assert said(given) == ["Attach the lease contract of the equipment"]


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("model", ""), ("quantity", "0"), ("quantity", "1.5"), ("quantity", "-1"),
        ("hashrate", "0"), ("hashrate", "1.2345"), ("hashrate", "1e3"), ("hashrate", "٣"),
        ("power", ""), ("planned", "many"), ("holding", "borrowed"), ("site", "\n"),
        ("region", ""), ("region", "KG-X"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_right_is_named(field: str, typed: str) -> None:
    rows, gaps = read_rows([ROW, ROW | {field: typed}])
    assert len(rows) == 1
    assert [gap.field for gap in gaps] == [f"row-2-{field}"]
    assert gaps[0].said(str).startswith("Equipment, row 2")


@given(st.integers(1, 10**9 - 1))
def test_terahashes_are_written_and_read_exactly(hashrate_ghs: int) -> None:
    rows, gaps = read_rows([ROW | {"hashrate": terahashes(hashrate_ghs)}])
    assert not gaps
    assert rows[0].hashrate_ghs == hashrate_ghs
    assert read_rows([row_of(rows[0])]) == (rows, [])


def test_what_is_signed_says_everything_and_is_read_back() -> None:
    read = application()
    body = application_body(read, str)
    for part in ("Асан Усенов", PIN, "S21 Pro", "234.5 TH/s", "M-17", read.attachments[0].sha256):
        assert part in body
    assert data_of((body + "\n").encode(), Application) == read


def test_what_was_signed_before_regions_were_asked_for_is_read_as_it_was() -> None:
    body = application_body(application(), str)
    assert "at city of Bishkek, Бишкек" in body
    content = body.replace("city of Bishkek, ", "").replace(',"region":"KG-GB"', "").encode()
    assert data_of(content, Application).equipment[0].region is Region.UNSTATED
    with pytest.raises(BodyError, match="alone"):
        data_of(body.replace('"region":"KG-GB"', '"region":""').encode(), Application)


def test_what_was_signed_for_something_else_is_not_read() -> None:
    decision = Decision(1, "00" * 32, Ground.NO_CERTIFICATE, "none")
    content = decision_body(decision, "Асан", str).encode()
    assert data_of(content, Decision) == decision
    for wrong in (content + b" ", b"no data", content.replace(b'"reason"', b'"x":1,"reason"')):
        with pytest.raises(BodyError, match="what was signed"):
            data_of(wrong, Decision)
    with pytest.raises(BodyError):
        data_of(content, Application)
    with pytest.raises(BodyError, match="alone"):
        data_of(b'{"notice":null,"application":2}', Withdrawal)
    assert data_line(Withdrawal(application=2)) == '{"application":2,"notice":null}'
