"""Tables as CSV and XLSX, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

import xlsxwriter

from kench.payouts.statements.sheets import BOM, NUMBER_MAX, Cell, harmless

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Sheet = tuple[str, Sequence[str], Sequence[Sequence[Cell]]]


def csv_of(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a table as CSV that a spreadsheet reads as UTF-8 and runs nothing of."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return BOM + text.getvalue().encode()


def xlsx_of(title: str, made_at: datetime, sheets: Iterable[Sheet]) -> bytes:
    """Return tables as a workbook, a sheet each; numbers too long for it are text."""
    whole = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(whole, options) as workbook:
        workbook.set_properties({"title": title, "created": made_at.replace(tzinfo=None)})
        bold = workbook.add_format({"bold": True})
        for name, headings, rows in sheets:
            sheet = workbook.add_worksheet(name)
            sheet.write_row(0, 0, headings, bold)
            sheet.freeze_panes(1, 0)
            for number, row in enumerate(rows, 1):
                for column, cell in enumerate(row):
                    if isinstance(cell, int) and abs(cell) < NUMBER_MAX:
                        sheet.write_number(number, column, cell)
                    else:
                        sheet.write_string(number, column, str(cell))
            sheet.autofit(300)
    return whole.getvalue()
