"""Reports of a period as a table, in whole satoshi and tyiyn. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date

from kench.cabinet.reports.form import Form
from kench.cabinet.reports.store import ReportLine
from kench.cabinet.reports.values import Value
from kench.payouts.statements.sheets import Cell

ROWS_MAX = 20_000
"""Reports of one table."""


def table_of(
    form: Form,
    lines: Iterable[ReportLine],
    contents: Mapping[int, Mapping[str, Value]],
    today: date,
) -> tuple[list[str], list[list[Cell]]]:
    """Headings, and a row for each report: what it is, and every value that is no table."""
    keys = [field.key for field in form.fields if not field.columns]
    headings = [
        "report", "participant", "name", "region", "period", "due", "state", "missing", "late",
        "version", "filed_at", *keys,
    ]  # fmt: skip
    rows = []
    for one in lines:
        values = contents.get(one.id, {})
        rows.append(
            [
                one.id, one.participant_id, one.name, one.region, one.period,
                one.deadline.day.isoformat(), one.state.value, _said(one.is_missing(today)),
                _said(one.late), one.version or 0,
                one.filed_at.isoformat(timespec="seconds") if one.filed_at else "",
                *(_cell(values.get(key)) for key in keys),
            ]
        )  # fmt: skip
    return headings, rows


def _said(value: bool) -> str:
    return "yes" if value else "no"


def _cell(value: Value) -> Cell:
    if value is None or isinstance(value, list):
        return ""
    return _said(value) if isinstance(value, bool) else value
