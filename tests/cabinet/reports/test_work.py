"""The thread of reports: one cabinet of several at a time makes them, reminds, and counts."""

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from kench.cabinet.reports.work import WORK_LOCK, ReportWork
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.letters import confirm_address
from tests.support.registration import CALENDAR, registered
from tests.support.reports import after_us

DAY_S = 86_400


def test_one_of_several_makes_them_writes_and_counts_what_is_missing(
    cabinet: sa.Engine, database: str
) -> None:
    with cabinet.begin() as db:
        registered(db)
        owner = db.scalar(sa.text("SELECT person_id FROM applications"))
        assert isinstance(owner, int)
        confirm_address(db, owner, "asan@example.kg", after_us("2026-10"))
    clock, registry = ManualClock(after_us("2026-11")), CollectorRegistry()
    work = ReportWork(cabinet, clock, lambda _at_us: CALENDAR, registry)
    held = open_engine(database, application_name="other cabinet")
    with held.begin() as db:
        db.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": WORK_LOCK})
        assert work.look() == 0
    held.dispose()
    # One report, and one letter that it is ready; all others of it are none of this day.
    assert work.look() == 2
    assert work.look() == 0
    assert work.missing == 0
    clock.advance(20 * DAY_S)
    assert work.look() == 1
    assert work.missing == 1
    assert registry.get_sample_value("kench_cabinet_reports_missing") == 1
    with cabinet.connect() as db:
        letters = db.scalars(
            sa.text("SELECT path FROM alert_messages WHERE path <> '' ORDER BY id")
        ).all()
    assert letters == ["/p/1/reports/1", "/p/1/reports/1"]
