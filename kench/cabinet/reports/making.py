"""Reports are made when their period is over: of all who were participants in it, in pieces.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.reports.facts import Known, gather_facts
from kench.cabinet.reports.form_store import StoredForm, forms_for
from kench.cabinet.reports.periods import Every, ReportPeriod, last_ended, period_named, period_with
from kench.cabinet.reports.tables import report_runs, reports
from kench.pool.calendar import WorkingDays, day_at
from kench.pool.moments import moment_of

log = structlog.get_logger("cabinet")

PIECE = 250
"""Participants whose reports are made in one transaction."""
RESTED = timedelta(hours=2)
"""So long after its end a period's statistics are summed and its income records are made."""
PATIENCE = timedelta(days=2)
"""So long after its end its reports are made, even if statistics are not summed."""
BEHIND_MAX = 12
"""Periods that are made up for after a cabinet was away."""


class Run(NamedTuple):
    """The making of one period's reports of one kind."""

    form: StoredForm
    period: ReportPeriod
    after_id: int


_NEWEST = sa.select(sa.func.max(report_runs.c.period))
_RUN = sa.select(report_runs.c.after_id, report_runs.c.done_at)
_MEMBERS = sa.text("""
    SELECT id FROM participants
    LEFT JOIN LATERAL (
        SELECT min(at) FILTER (WHERE act = 'register') AS joined_at,
            max(at) FILTER (WHERE membership_events.state IN ('left', 'excluded')) AS ended_at
        FROM membership_events WHERE participant_id = participants.id
    ) AS member ON true
    WHERE id > :after AND coalesce(joined_at, created_at) < :ends
        AND (state <> 'removed' OR ended_at >= :begins)
    ORDER BY id LIMIT :most
""")
_SUMMED = sa.text("SELECT done_before FROM statistics_rollups WHERE level = 'participant_hours'")
# Coins or money moved on the last day, and no record says so yet.
_UNRECORDED = sa.text("""
    SELECT EXISTS (
        SELECT FROM transfers WHERE created_at >= CAST(:ends AS timestamptz) - interval '1 day'
            AND created_at < :ends AND kind = 'post' AND subject IN ('block', 'settlement')
    ) AND NOT EXISTS (SELECT FROM income_records WHERE period = :month AND day = :last)
""")


def make_some(db: sa.Connection, now_us: int, calendar: WorkingDays) -> int:
    """Make some of the reports that are due to be made; 0 where none is left to do."""
    for run in _open_runs(db, now_us, calendar):
        return _make_piece(db, run, now_us, calendar)
    return 0


def make_reports(  # noqa: PLR0913 - whose, of what, when
    db: sa.Connection, stored: StoredForm, period: ReportPeriod, known: Mapping[int, Known],
    *, now_us: int, calendar: WorkingDays,
) -> None:  # fmt: skip
    """Make the reports of a period of those participants; one that is there stays as it is."""
    deadline = stored.form.due.deadline(period, calendar)
    rows = [
        {
            "participant_id": number,
            "kind": stored.form.kind,
            "period": period.name,
            "form_version": stored.form.version,
            "facts": one.facts,
            "region": one.region.value,
            "made_at": moment_of(now_us),
            "due": deadline.day,
            "calendar": deadline.version,
        }
        for number, one in known.items()
    ]
    if rows:
        db.execute(insert(reports).values(rows).on_conflict_do_nothing())


def _make_piece(db: sa.Connection, run: Run, now_us: int, calendar: WorkingDays) -> int:
    period, kind = run.period, run.form.form.kind
    asked = {"after": run.after_id, "begins": period.begins, "ends": period.ends, "most": PIECE}
    members = list(db.scalars(_MEMBERS, asked))
    make_reports(
        db, run.form, period, gather_facts(db, members, period), now_us=now_us, calendar=calendar
    )
    done = {
        "after_id": members[-1] if members else run.after_id,
        "done_at": moment_of(now_us) if len(members) < PIECE else None,
    }
    db.execute(
        insert(report_runs)
        .values(kind=kind, period=period.name, begun_at=moment_of(now_us), **done)
        .on_conflict_do_update(index_elements=["kind", "period"], set_=done)
    )
    return len(members) or 1


def _open_runs(db: sa.Connection, now_us: int, calendar: WorkingDays) -> Iterator[Run]:
    for every in Every:
        newest = last_ended(every, day_at(now_us))
        for stored in _standing(db, newest):
            kind = stored.form.kind
            before = db.scalar(_NEWEST.where(report_runs.c.kind == kind))
            if before is None and stored.form.due.deadline(newest, calendar).is_missed(now_us):
                # Nobody was told of it in time, so nobody is late with it.
                continue
            for period in _periods(before, newest):
                held = next((one for one in _standing(db, period) if one.form.kind == kind), None)
                run = _run(db, held, period) if held else None
                if run is not None and _is_settled(db, period, now_us):
                    yield run


def _standing(db: sa.Connection, period: ReportPeriod) -> list[StoredForm]:
    """Forms of reports that are made by themselves."""
    return [one for one in forms_for(db, period) if one.form.instead_of is None]


def _periods(before: str | None, newest: ReportPeriod) -> list[ReportPeriod]:
    """From the newest that was begun up to the newest that is over."""
    period = newest if before is None else period_named(before) or newest
    found: list[ReportPeriod] = []
    while period.name <= newest.name and len(found) < BEHIND_MAX:
        found.append(period)
        period = period_with(period.every, period.after)
    return found


def _run(db: sa.Connection, stored: StoredForm, period: ReportPeriod) -> Run | None:
    which = (report_runs.c.kind == stored.form.kind) & (report_runs.c.period == period.name)
    row = db.execute(_RUN.where(which)).one_or_none()
    if row is not None and row.done_at is not None:
        return None
    return Run(stored, period, row.after_id if row else 0)


def _is_settled(db: sa.Connection, period: ReportPeriod, now_us: int) -> bool:
    """Whether what reports of a period are filled from is there.

    Statistics are waited for a while, as machines may stay without numbers. Money is waited for as
    long as it takes: a report that says there was none is not made for somebody who had some.
    """
    since = moment_of(now_us) - period.ends
    asked = {"ends": period.ends, "last": period.last, "month": f"{period.last:%Y-%m}"}
    if since < RESTED:
        return False
    if db.scalar(_UNRECORDED, asked):
        if since >= PATIENCE:
            log.warning("reports wait for income records: run `kench income`", period=period.name)
        return False
    if since >= PATIENCE:
        return True
    summed = db.scalar(_SUMMED)
    return summed is not None and summed >= period.ends
