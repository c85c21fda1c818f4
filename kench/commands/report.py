"""`kench report`: which reports of participants are missing, late, or wait for an officer."""

import argparse
import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from rich import box
from rich.table import Table

from kench.commands.showing import action_of, table_text
from kench.pool.calendar import day_at
from kench.pool.clock import SystemClock
from kench.pool.database import Role, one_transaction
from kench.pool.errors import KenchError
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging

ROLE = "report"
ROWS_MAX = 100_000
"""Of a list; of more, a period or a kind is to be named."""
WHICH = {
    "missing": "report_queue.state IN ('due', 'returned') AND report_queue.due < :today",
    "due": "report_queue.state IN ('due', 'returned')",
    "filed": "report_queue.state = 'filed'",
    "late": "first.late",
    "all": "true",
}
_KIND = re.compile(r"[a-z][a-z0-9_]{0,19}")
_PERIOD = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2]|Q[1-4])")
_LIST = """
    SELECT reports.kind, reports.period, reports.participant_id AS participant,
        participants.name, reports.id AS report, reports.due,
        coalesce(report_queue.state, 'accepted') AS state, first.filed_at AS first_filed_at,
        coalesce(first.late, false) AS late
    FROM reports JOIN participants ON participants.id = reports.participant_id
    LEFT JOIN report_queue ON report_queue.report_id = reports.id
    LEFT JOIN report_filings AS first ON first.report_id = reports.id AND first.version = 1
    WHERE {which} AND (:kind = '' OR reports.kind = :kind)
        AND (:period = '' OR reports.period = :period)
    ORDER BY reports.period DESC, reports.kind, reports.participant_id LIMIT :most
"""
_PERIODS = sa.text("""
    SELECT reports.kind, reports.period, count(*) AS reports,
        count(*) FILTER (WHERE queued.state IN ('due', 'returned') AND queued.due >= :today) AS due,
        count(*) FILTER (WHERE queued.state IN ('due', 'returned') AND queued.due < :today)
            AS missing,
        count(*) FILTER (WHERE queued.state = 'filed') AS filed,
        count(*) FILTER (WHERE queued.state IS NULL) AS accepted,
        count(*) FILTER (WHERE first.late) AS late
    FROM reports LEFT JOIN report_queue AS queued ON queued.report_id = reports.id
    LEFT JOIN report_filings AS first ON first.report_id = reports.id AND first.version = 1
    WHERE (:kind = '' OR reports.kind = :kind) AND (:period = '' OR reports.period = :period)
    GROUP BY 1, 2 ORDER BY 2 DESC, 1
""")
RIGHT = {"participant", "report", "reports", "due", "missing", "filed", "accepted", "late"}


class ReportListError(KenchError):
    """What was asked for names no period or kind, or is more than a list holds."""


def main() -> None:
    """Print what was asked for, as of one moment."""
    given = _parser().parse_args()
    kind, period = _named(given.kind, _KIND, "KIND"), _named(given.period, _PERIOD, "PERIOD")
    settings = settings_of(given)
    start_logging(ROLE)
    with (
        database_url(settings) as url,
        one_transaction(url, Role.READ, application_name="kench report") as db,
    ):
        today = day_at(SystemClock().now_us())
        if given.action == "periods":
            rows = read_periods(db, kind, period, today)
        else:
            rows = read_list(db, given.which, kind, period, today)
    print(_said(rows, as_json=given.json))


def read_list(
    db: sa.Connection, which: str, kind: str, period: str, today: date
) -> list[dict[str, Any]]:
    """Reports of that sort, the newest period first; raises ReportListError for too many."""
    asked = {"kind": kind, "period": period, "most": ROWS_MAX + 1}
    query = sa.text(_LIST.format(which=WHICH[which]))
    if which == "missing":
        asked |= {"today": today}
    rows = [dict(row._mapping) for row in db.execute(query, asked)]
    if len(rows) > ROWS_MAX:
        raise ReportListError(f"more than {ROWS_MAX} reports: name a --period or a --kind")
    return rows


def read_periods(db: sa.Connection, kind: str, period: str, today: date) -> list[dict[str, Any]]:
    """How many reports of each period are where."""
    asked = {"kind": kind, "period": period, "today": today}
    return [dict(row._mapping) for row in db.execute(_PERIODS, asked)]


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "Reports of participants: what is missing, late, or waits for an officer.",
        example="kench report list --which missing --period 2026-10",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = action_of(
        actions, "list", "list reports: by default those that are missing",
        "kench report list --which late --period 2026-10 --json",
    )  # fmt: skip
    listing.add_argument(
        "--which", choices=tuple(WHICH), default="missing",
        help="missing: due before today and not filed (the default); due: not filed, or sent back; "
        "filed: waits for an officer; late: filed first after its day; all",
    )  # fmt: skip
    periods = action_of(
        actions, "periods", "count the reports of each period",
        "kench report periods --kind monthly",
    )  # fmt: skip
    for one in (listing, periods):
        one.add_argument("--kind", default="", help="of this form alone, such as monthly")
        one.add_argument("--period", default="", help="of this period alone: 2026-10, 2026-Q3")
        one.add_argument("--json", action="store_true", help="print a JSON array")
    return parser


def _named(text: str, pattern: re.Pattern[str], what: str) -> str:
    if text and not pattern.fullmatch(text):
        raise ReportListError(f"{what} is such as monthly or 2026-10, not {text!r}")
    return text


def _said(rows: Sequence[dict[str, Any]], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(rows, default=str, ensure_ascii=False)
    if not rows:
        return "none"
    table = Table(box=box.SIMPLE_HEAD)
    for heading in rows[0]:
        is_number = heading in RIGHT and isinstance(rows[0][heading], int)
        table.add_column(heading.replace("_", " "), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table_text(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "late" if value else ""
    return "" if value is None else str(value).partition(".")[0]


if __name__ == "__main__":
    run_root(ROLE, main)
