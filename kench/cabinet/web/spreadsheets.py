"""Tables as CSV, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence

from kench.payouts.statements.sheets import BOM, Cell, harmless

CSV = "text/csv; charset=utf-8"


def csv_of(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a table as CSV that a spreadsheet reads as UTF-8 and runs nothing of."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return BOM + text.getvalue().encode()
