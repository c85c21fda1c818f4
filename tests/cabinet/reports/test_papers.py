"""Documents of reports: taken by what is in them, refused with the reason; never unpacked."""

import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.registration.attachments import ATTACHMENT_BYTES_MAX
from kench.cabinet.reports.checking import read_form
from kench.cabinet.reports.form import Form
from kench.cabinet.reports.papers import (
    PAPERS_MAX,
    XLSX_TYPE,
    Paper,
    PaperRefusal,
    check_papers,
    paper_of,
)
from tests.support.reports import PDF, new_form

SAID = {"ky": "к", "ru": "р", "en": "a"}
FORM = read_form(
    json.dumps(
        new_form(
            files=[
                {"key": "notes", "label": SAID, "required": True, "media": ["pdf"]},
                {"key": "sheet", "label": SAID, "required": False, "media": ["pdf", "xlsx"]},
            ]
        )
    ).encode()
)
assert isinstance(FORM, Form)


def workbook(*more: str, content: bytes = b"x") -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml", *more):
            archive.writestr(name, content)
    return whole.getvalue()


def test_a_workbook_is_taken_where_the_form_takes_one() -> None:
    made = paper_of(FORM, "sheet", "../../Отчёт 1.xlsx.exe", workbook())
    assert isinstance(made, Paper)
    assert (made.media_type, made.name) == (XLSX_TYPE, "Отчёт 1.xlsx.xlsx")
    assert paper_of(FORM, "notes", "a.xlsx", workbook()) is PaperRefusal.KIND
    assert paper_of(FORM, "sheet", "a.pdf", PDF) is not PaperRefusal.KIND


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", PaperRefusal.EMPTY),
        (PDF + b"x" * ATTACHMENT_BYTES_MAX, PaperRefusal.TOO_LARGE),
        (b"%PDF-1.7 cut off", PaperRefusal.BROKEN),
        (b"MZ\x90", PaperRefusal.KIND),
        (b"\xd0\xcf\x11\xe0" + b"x" * 600, PaperRefusal.KIND),
        (b"PK\x03\x04", PaperRefusal.BROKEN),
        (workbook()[:-30], PaperRefusal.BROKEN),
        (workbook("xl/vbaProject.bin"), PaperRefusal.MACROS),
        (workbook(*(f"xl/{n}" for n in range(2_001))), PaperRefusal.TOO_LARGE),
        (workbook(*(f"{n}{'x' * 400}" for n in range(1_300))), PaperRefusal.TOO_LARGE),
        (workbook("xl/bomb.xml", content=b"\0" * 70_000_000), PaperRefusal.TOO_LARGE),
    ],
    ids=(
        "nothing",
        "large",
        "cut off",
        "program",
        "old workbook",
        "beginning of a ZIP",
        "workbook cut off",
        "macros",
        "many parts",
        "long names",
        "unpacks to much",
    ),
)
def test_what_is_no_document_is_refused_with_the_reason(content: bytes, why: PaperRefusal) -> None:
    assert paper_of(FORM, "sheet", "a.xlsx", content) is why


def test_a_zip_that_is_no_workbook_is_none() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.txt", "x")
    assert paper_of(FORM, "sheet", "a.xlsx", whole.getvalue()) is PaperRefusal.KIND


@given(st.binary(max_size=300))
def test_any_bytes_after_a_good_beginning_are_taken_or_refused(content: bytes) -> None:
    for begun in (b"%PDF-", b"PK\x03\x04", workbook()):
        assert isinstance(paper_of(FORM, "sheet", "a", begun + content), Paper | PaperRefusal)


def test_parts_and_numbers_are_bounded() -> None:
    made = paper_of(FORM, "sheet", "a.pdf", PDF)
    assert isinstance(made, Paper)
    assert paper_of(FORM, "nothing", "a.pdf", PDF) is PaperRefusal.PART
    assert paper_of(FORM, "sheet", "b.pdf", PDF, [made]) is PaperRefusal.TWICE
    assert paper_of(FORM, "sheet", "b.pdf", PDF, [made] * PAPERS_MAX) is PaperRefusal.TOO_MANY
    assert [gap.field for gap in check_papers(FORM, [made])] == ["paper-notes"]
    assert len(check_papers(FORM, [made] * 13)) == 2
