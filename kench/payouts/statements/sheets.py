"""A statement as CSV and XLSX: whole satoshi and tyiyn, and no text that a program would run."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

import xlsxwriter

from kench.payouts.statements.statement import CoinLine, LotLine, PayoutLine, Statement

BOM = b"\xef\xbb\xbf"
"""By which Excel knows that a CSV is UTF-8."""
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a text begins with that a spreadsheet takes for a formula."""
_INNER = re.compile(r"([,;\t\r\n|][\s\"']*)(?=[=+\-@＝＋－＠])")
"""After one of these a spreadsheet of another country may begin a cell."""
NUMBER_MAX = 10**15
"""Numbers from here on lose digits in a spreadsheet: they are written as text."""

Cell = str | int
Table = tuple[str, list[str], list[list[Cell]]]


def tables(statement: Statement) -> Iterator[Table]:
    """Yield name, headings and rows of each part of a statement."""
    yield "summary", ["what", "value"], _summary(statement)
    lot_names = [field.name for field in fields(LotLine) if field.name != "fills"]
    yield "lots", lot_names, [[getattr(lot, name) for name in lot_names] for lot in statement.lots]
    fill_names = ["trade_id", "amount_sat", "price_kgs", "gross_tyiyn", "fee_tyiyn"]
    yield (
        "fills",
        ["coinbase_txid", "vout", *fill_names],
        [
            [lot.coinbase_txid, lot.vout, *(getattr(fill, name) for name in fill_names)]
            for lot in statement.lots
            for fill in lot.fills
        ],
    )
    yield _plain("payouts", PayoutLine, statement.payouts)
    yield _plain("coins", CoinLine, statement.coins)


def csv_of(statement: Statement) -> bytes:
    """Return all parts in one file, each with its headings, an empty line between them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    for number, (name, headings, rows) in enumerate(tables(statement)):
        if number:
            writer.writerow([])
        writer.writerow([f"[{name}]"])
        writer.writerow(headings)
        writer.writerows([[harmless(cell) for cell in row] for row in rows])
    return BOM + text.getvalue().encode()


def xlsx_of(statement: Statement) -> bytes:
    """Return a workbook with a sheet for each part."""
    whole = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(whole, options) as workbook:
        # The same statement is the same file: no time of its making in it.
        workbook.set_properties(
            {
                "title": f"Kench {statement.participant_id} {statement.month}",
                "comments": f"sha256 {statement.sha256.hex()}",
                "created": datetime.fromisoformat(statement.ends).replace(tzinfo=None),
            }
        )
        bold = workbook.add_format({"bold": True})
        for name, headings, rows in tables(statement):
            sheet = workbook.add_worksheet(name)
            sheet.write_row(0, 0, headings, bold)
            sheet.freeze_panes(1, 0)
            for number, row in enumerate(rows, 1):
                for column, cell in enumerate(row):
                    _write(sheet, number, column, cell)
            sheet.autofit(300)
    return whole.getvalue()


def harmless(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula; numbers are as they are."""
    if isinstance(cell, int):
        return cell
    inside = _INNER.sub(r"\1'", cell)
    return "'" + inside if inside.startswith(_TRIGGERS) else inside


def _write(sheet: Any, row: int, column: int, cell: Cell) -> None:
    if isinstance(cell, int) and abs(cell) < NUMBER_MAX:
        sheet.write_number(row, column, cell)
    else:
        sheet.write_string(row, column, str(cell))


def _summary(statement: Statement) -> list[list[Cell]]:
    opening, closing = statement.coins_opening, statement.coins_closing
    had, has = statement.money_opening, statement.money_closing
    return [
        ["participant_id", statement.participant_id],
        ["participant_name", statement.participant_name],
        ["begins", statement.begins],
        ["ends", statement.ends],
        ["is_whole", "yes" if statement.is_whole else "no"],
        ["json_sha256", statement.sha256.hex()],
        ["opening_pending_sat", opening.pending_sat],
        ["opening_mature_sat", opening.mature_sat],
        ["opening_due_tyiyn", had.due_tyiyn],
        ["opening_leaving_tyiyn", had.leaving_tyiyn],
        ["closing_pending_sat", closing.pending_sat],
        ["closing_mature_sat", closing.mature_sat],
        ["closing_due_tyiyn", has.due_tyiyn],
        ["closing_leaving_tyiyn", has.leaving_tyiyn],
    ]


def _plain(name: str, kind: type, lines: tuple[Any, ...]) -> Table:
    headings = [field.name for field in fields(kind)]
    return name, headings, [[getattr(line, heading) for heading in headings] for line in lines]
