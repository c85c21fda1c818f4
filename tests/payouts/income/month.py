"""October 2026 of two participants: three lots settled, payouts paid, rejected and sent back."""

from datetime import UTC, date, datetime

import sqlalchemy as sa

from kench.payouts.income.generate import Generated, generate
from kench.pool.database import Role, open_engine
from kench.pool.moments import us_of
from tests.cabinet.money import PAID, RETURNED, fill_books

PERIOD = "2026-10"
NOW_US = us_of(datetime(2026, 11, 23, 6, 0, tzinfo=UTC))
SETTLED_DAYS = (date(2026, 10, 3), date(2026, 10, 10), date(2026, 10, 17))

_DATE = sa.text("""
    UPDATE transfers SET created_at = CAST(:at AS timestamptz)
    WHERE reference = :reference AND kind = 'post' AND (pending_id IS NULL) = :back
""")


def fill_month(database: str) -> list[int]:
    """Fill a fresh database; the first is paid on the 5th, and on the 12th, which comes back."""
    who = fill_books(database)
    engine = open_engine(database, application_name="test")
    with engine.begin() as db:
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        db.exec_driver_sql("UPDATE transfers SET created_at = '2026-09-01Z' WHERE "
                           "subject NOT IN ('block', 'settlement')")  # fmt: skip
        for reference, back, at in (
            (PAID, False, "2026-10-05T05:00:00Z"),
            (RETURNED, False, "2026-10-12T05:00:00Z"),
            (RETURNED, True, "2026-10-14T05:00:00Z"),
        ):
            db.execute(_DATE, {"reference": reference, "back": back, "at": at})
    engine.dispose()
    return who


def opened(database: str, role: Role | None = Role.SETTLE) -> sa.Engine:
    """An engine as one of the roles; as the owner of all for none."""
    return open_engine(database, role, application_name="test")


def form(database: str, period: str = PERIOD, now_us: int = NOW_US) -> Generated:
    """Form a period's records as settlement does."""
    engine = opened(database)
    try:
        with engine.begin() as db:
            return generate(db, period, now_us)
    finally:
        engine.dispose()


def force(database: str, *statements: str) -> None:
    """Change what nobody may, with the owner's hand."""
    engine = open_engine(database, application_name="test")
    with engine.begin() as db:
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            db.exec_driver_sql(statement)
    engine.dispose()


def rows(database: str, query: str) -> list[tuple[object, ...]]:
    """What a question gives."""
    engine = open_engine(database, application_name="test")
    with engine.begin() as db:
        found = [tuple(row) for row in db.exec_driver_sql(query)]
    engine.dispose()
    return found
