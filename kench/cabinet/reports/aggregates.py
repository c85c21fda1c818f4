"""Reports added up for the authorised body: how many are where, and sums of their numbers.

Every function takes a connection in a transaction. Of each report the newest filing counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.reports.form import Form

PERIODS_SHOWN = 12


class Standing(NamedTuple):
    """How the reports of one period stand."""

    period: str
    all: int
    due: int
    """Not filed, and not late yet; or sent back."""
    missing: int
    filed: int
    """They wait for an officer."""
    accepted: int
    late: int
    """First filed after their day."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of a region, or of all."""

    region: str | None
    """None: all of them."""
    reports: int
    filed: int
    sums: dict[str, int]


class QueueCount(NamedTuple):
    """What waits for officers, and for participants."""

    filed: int
    missing: int
    near: int
    """Not filed, with few days left."""
    oldest_due: date | None
    """Of what is not filed."""


_ALL = sa.text("""
    SELECT period, count(*) AS reports FROM reports
    WHERE kind = :kind AND period = ANY(CAST(:periods AS text[])) GROUP BY period
""")
_OPEN = sa.text("""
    SELECT period,
        count(*) FILTER (WHERE state = 'filed') AS filed,
        count(*) FILTER (WHERE state <> 'filed' AND due < :today) AS missing,
        count(*) FILTER (WHERE state <> 'filed' AND due >= :today) AS due
    FROM report_queue WHERE kind = :kind AND period = ANY(CAST(:periods AS text[]))
    GROUP BY period
""")
_LATE = sa.text("""
    SELECT period, count(*) AS reports FROM reports JOIN report_filings ON report_id = reports.id
    WHERE kind = :kind AND period = ANY(CAST(:periods AS text[])) AND late AND version = 1
    GROUP BY period
""")
_PERIODS = sa.text("""
    SELECT period FROM report_runs WHERE kind = :kind ORDER BY period DESC LIMIT :most
""")
_KINDS = sa.text("SELECT DISTINCT kind FROM report_runs")
_NEWEST = """
    SELECT region, newest.contents FROM reports LEFT JOIN LATERAL (
        SELECT contents FROM report_filings WHERE report_id = reports.id
        ORDER BY version DESC LIMIT 1
    ) AS newest ON true
    WHERE kind = :kind AND period = :period
"""
_QUEUE = sa.text("""
    SELECT count(*) FILTER (WHERE state = 'filed') AS filed,
        count(*) FILTER (WHERE state <> 'filed' AND due < :today) AS missing,
        count(*) FILTER (WHERE state <> 'filed' AND due >= :today AND due <= :near) AS near,
        min(due) FILTER (WHERE state <> 'filed') AS oldest_due
    FROM report_queue
""")


def kinds_reported(db: sa.Connection) -> list[str]:
    """Kinds that reports were made of."""
    return sorted(db.scalars(_KINDS))


def periods_of(db: sa.Connection, kind: str, at_most: int = PERIODS_SHOWN) -> list[str]:
    """Periods that reports of a kind were made of, the newest first."""
    return list(db.scalars(_PERIODS, {"kind": kind, "most": at_most}))


def standings(db: sa.Connection, kind: str, periods: Sequence[str], today: date) -> list[Standing]:
    """How the reports of each of these periods stand, in their order."""
    asked = {"kind": kind, "periods": list(periods), "today": today}
    whole = {row.period: row.reports for row in db.execute(_ALL, asked)}
    late = {row.period: row.reports for row in db.execute(_LATE, asked)}
    waiting = {row.period: row for row in db.execute(_OPEN, asked)}
    found = []
    for period in periods:
        count, row = whole.get(period, 0), waiting.get(period)
        due, missing, filed = (row.due, row.missing, row.filed) if row else (0, 0, 0)
        accepted = count - due - missing - filed
        found.append(Standing(period, count, due, missing, filed, accepted, late.get(period, 0)))
    return found


def summed_keys(form: Form) -> list[str]:
    """Fields of a form whose sums are shown; forms filed instead have those of the same name."""
    return [field.key for field in form.fields if field.summed and field.type.is_whole]


def sums_by_region(db: sa.Connection, form: Form, period: str) -> list[Sums]:
    """Sums of each region, and of all in the end."""
    keys = summed_keys(form)
    columns = ", ".join(
        f"coalesce(sum(CASE WHEN jsonb_typeof(contents -> '{key}') = 'number'"
        f" THEN (contents ->> '{key}')::numeric END), 0) AS f_{key}"
        for key in keys  # Keys are small letters, digits and _, by the check of forms.
    )
    query = sa.text(f"""
        SELECT region, grouping(region) AS is_whole, count(*) AS reports,
            count(contents) AS filed{", " * bool(keys)}{columns}
        FROM ({_NEWEST}) AS newest GROUP BY ROLLUP (region)
        ORDER BY grouping(region), region
    """)  # noqa: S608 - keys, as above
    return [
        Sums(
            None if row.is_whole else row.region, row.reports, row.filed,
            {key: int(row._mapping[f"f_{key}"]) for key in keys},
        )
        for row in db.execute(query, {"kind": form.kind, "period": period})
        if row.reports
    ]  # fmt: skip


def count_queue(db: sa.Connection, today: date, near: date) -> QueueCount:
    """Count what waits."""
    return QueueCount(*db.execute(_QUEUE, {"today": today, "near": near}).one())


def count_missing(db: sa.Connection, today: date) -> int:
    """How many reports were due before today and are not filed."""
    return count_queue(db, today, today).missing
