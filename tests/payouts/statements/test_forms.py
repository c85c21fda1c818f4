"""CSV, XLSX and PDF show what the JSON says, run nothing, and keep every letter."""

import csv
import io
import json
from dataclasses import replace

import openpyxl
import pypdf
import pytest

from kench.payouts.statements.page import html_of
from kench.payouts.statements.pdf import name_of, pdf_of
from kench.payouts.statements.sheets import BOM, csv_of, harmless, xlsx_of
from kench.payouts.statements.statement import totals, turnover
from kench.payouts.statements.texts import LANGUAGES, Language, btc, names, som, text_of
from tests.payouts.statements.samples import EMPTY, LOT, STATEMENT

NAME = STATEMENT.participant_name


def test_every_text_is_in_every_language() -> None:
    languages: tuple[Language, ...] = ("ru", "ky", "en")
    assert languages == LANGUAGES
    for name in names():
        assert all(text_of(name, language) for language in languages)


def test_amounts_are_shown_exactly() -> None:
    assert [btc(n, "ky") for n in (0, 1, -5, 312_500_000)] == [
        "0,00000000", "0,00000001", "-0,00000005", "3,12500000",
    ]  # fmt: skip
    assert [som(n, "ru") for n in (0, 5, -100, 123_456_789)] == [
        "0,00", "0,05", "-1,00", "1\xa0234\xa0567,89",
    ]  # fmt: skip
    assert [som(123_456_789, "en"), btc(-(10**12), "en")] == ["1,234,567.89", "-10,000.00000000"]


def test_the_csv_is_utf_8_with_a_mark_and_reads_back() -> None:
    raw = csv_of(STATEMENT)
    assert raw.startswith(BOM)
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig")), delimiter=";"))
    assert ["participant_name", NAME] in rows
    assert ["json_sha256", STATEMENT.sha256.hex()] in rows
    headings = next(row for row in rows if row[:2] == ["at", "block_hash"])
    lot = dict(zip(headings, rows[rows.index(headings) + 1], strict=True))
    assert int(lot["net_tyiyn"]) == LOT.net_tyiyn
    assert lot["coinbase_txid"] == LOT.coinbase_txid


def test_no_cell_is_a_formula() -> None:
    evil = replace(STATEMENT, participant_name="=HYPERLINK(1)")
    assert b";=" not in csv_of(evil)
    assert b"'=HYPERLINK(1)" in csv_of(evil)
    assert b"'=cmd|" in csv_of(STATEMENT)
    assert [harmless(cell) for cell in ("+1", "@x", "-1", "\tx", "＝1", "x", -5)] == [
        "'+1", "'@x", "'-1", "'\tx", "'＝1", "x", -5,
    ]  # fmt: skip
    # Of a country whose cells end at commas, or of a table pasted as text.
    texts = ("Ала,=1", 'x;" @y', "a\t＝2", "b|-1", "5, 6", "a-b", "x, y=1")
    assert [harmless(cell) for cell in texts] == [
        "Ала,'=1", "x;\" '@y", "a\t'＝2", "b|'-1", "5, 6", "a-b", "x, y=1",
    ]  # fmt: skip
    for sheet in openpyxl.load_workbook(io.BytesIO(xlsx_of(evil))):
        for row in sheet.iter_rows():
            assert all(cell.data_type in {"s", "n"} for cell in row)


def test_the_workbook_has_the_same_numbers_and_is_the_same_each_time() -> None:
    raw = xlsx_of(STATEMENT)
    assert raw == xlsx_of(STATEMENT)
    book = openpyxl.load_workbook(io.BytesIO(raw))
    assert book.sheetnames == ["summary", "lots", "fills", "payouts", "coins"]
    headings, values = book["lots"].iter_rows(values_only=True)
    lot = dict(zip(headings, values, strict=True))
    assert lot["net_tyiyn"] == LOT.net_tyiyn
    # Longer than a spreadsheet's numbers: kept as text, all digits.
    assert lot["work_hashes"] == LOT.work_hashes


@pytest.fixture(scope="module", params=LANGUAGES)
def page(request: pytest.FixtureRequest) -> tuple[Language, bytes]:
    """A PDF in each language."""
    return request.param, pdf_of(STATEMENT, request.param)


def test_the_pdf_keeps_every_letter_and_its_record(page: tuple[Language, bytes]) -> None:
    language, raw = page
    reader = pypdf.PdfReader(io.BytesIO(raw))
    text = "".join("".join(sheet.extract_text() for sheet in reader.pages).split())
    wanted = [text_of(name, language) for name in ("title", "lots", "payouts", "venue_fee")]
    amounts = som(LOT.net_tyiyn, language), btc(LOT.amount_sat, language)
    for words in (*wanted, NAME, *amounts, STATEMENT.sha256.hex()):
        assert "".join(words.split()) in text
    (record,) = reader.attachments[f"{name_of(STATEMENT)}.json"]
    assert record == STATEMENT.canonical()
    assert json.loads(record)["participant_id"] == 7
    assert b"pdfaid" in raw or b"pdfaid" in reader.xmp_metadata.stream.get_data()  # type: ignore[union-attr]


def test_opening_and_what_each_kind_of_movement_changed_are_the_closing() -> None:
    changes = dict(turnover(STATEMENT))
    assert changes == {
        "found": (5, 0, 0, 0),
        "matured": (-187_500_000, 187_500_000, 0, 0),
        "orphaned": (-5, 0, 0, 0),
        "sold": (0, -187_500_000, 0, 0),
        "credited": (0, 0, LOT.net_tyiyn, 0),
        "ordered": (0, 0, 0, 2 * 1_606_171_975),
        "paid": (0, 0, -1_606_171_975, -1_606_171_975),
        "rejected": (0, 0, 0, -1_606_171_975),
        "returned": (0, 0, 1_606_171_975, 0),
    }
    opening = (187_500_000, 0, 100, 0)
    assert tuple(map(sum, zip(opening, *changes.values(), strict=True))) == (0, 0, 1_606_171_975, 0)
    page = html_of(STATEMENT, "en")
    assert "<td>credited for lots</td>" in page
    assert "+16,061,718.75" in page
    assert turnover(EMPTY) == []


def test_a_month_without_movements_says_so() -> None:
    assert html_of(EMPTY, "ru").count(text_of("nothing", "ru")) == 3
    assert totals(()) == {
        "amount_sat": 0, "gross_tyiyn": 0, "venue_fee_tyiyn": 0, "pool_fee_tyiyn": 0,
        "net_tyiyn": 0,
    }  # fmt: skip


def test_a_name_cannot_write_html() -> None:
    evil = replace(STATEMENT, participant_name='<img src="http://127.0.0.1:1/x"><script>')
    page = html_of(evil, "en")
    assert "<img" not in page
    assert "<script" not in page
