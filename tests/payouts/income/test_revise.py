"""Correcting many records at once: surveyed first, in batches, and again without effect."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.payouts.income.errors import PeriodClosedError
from kench.payouts.income.generate import generate
from kench.payouts.income.reconcile import reconcile
from kench.payouts.income.revise import Matter, Revised, Survey, Whose, revise, survey
from kench.pool.moments import moment_of
from tests.payouts.income.month import NOW_US, PERIOD, fill_month, form, opened

RENAME = "UPDATE participants SET name = name || ' «Жаңы»'"
ALL, FIRST = Whose(PERIOD), Whose(PERIOD, 1)


@pytest.fixture(scope="module")
def formed(module_database: str) -> Iterator[sa.Engine]:
    """A month with its records."""
    fill_month(module_database)
    form(module_database)
    engine = opened(module_database, None)
    yield engine
    engine.dispose()


@pytest.fixture
def db(formed: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction of which nothing stays."""
    with formed.connect() as connection:
        yield connection
        connection.rollback()


def force(db: sa.Connection, *statements: str) -> None:
    """Change what nobody may."""
    db.exec_driver_sql("SET LOCAL session_replication_role = replica")
    for statement in statements:
        db.exec_driver_sql(statement)
    db.exec_driver_sql("SET LOCAL session_replication_role = origin")


def revised(db: sa.Connection, whose: Whose = ALL, after: int = 0, most: int = 1) -> Revised:
    return revise(db, whose, moment_of(NOW_US), after=after, most=most)


def holds(db: sa.Connection, survey_now: Survey) -> bool:
    """Whether there is nothing to correct, nothing to form, and nothing that differs."""
    return not (
        survey_now.documents
        or generate(db, PERIOD, NOW_US).records
        or reconcile(db, PERIOD, NOW_US)
    )


def test_a_name_that_changed_corrects_all_days_of_its_participant_alone(db: sa.Connection) -> None:
    assert survey(db, ALL).documents == 0
    force(db, RENAME)
    found = survey(db, FIRST)
    assert (found.corrections, found.deletions, found.participants) == (8, 0, 1)
    assert found.matters == {Matter.NAME: 8}
    assert {one.matters for one in found.shown} == {(Matter.NAME,)}
    assert revised(db, FIRST) == Revised(8, None)
    assert revised(db, FIRST) == Revised(0, None)
    made = "SELECT count(*) FROM income_records WHERE corrects = left(doc_ref, -1) || '1' "
    assert db.scalar(sa.text(f"{made} AND participant_id = 1")) == 8
    assert survey(db, ALL).participants == 1
    assert holds(db, survey(db, FIRST))


def test_batches_end_with_a_participant_and_go_on_after_it(db: sa.Connection) -> None:
    force(db, RENAME)
    assert revised(db) == Revised(8, 1)
    assert revised(db, after=2) == Revised(0, None)
    # Where it ended need not be known: what is right is passed over.
    assert revised(db) == Revised(5, None)
    assert holds(db, survey(db, ALL))


def test_days_that_left_the_books_are_taken_back_and_all_ties(db: sa.Connection) -> None:
    force(db, "UPDATE transfers SET created_at = created_at + interval '100 days' "
          "WHERE created_at BETWEEN '2026-10-02 18:00Z' AND '2026-10-03 17:59Z'")  # fmt: skip
    assert reconcile(db, PERIOD, NOW_US)
    found = survey(db, ALL)
    assert (found.corrections, found.deletions, found.participants) == (0, 2, 2)
    assert revised(db, most=100) == Revised(2, None)
    gone = "SELECT count(*) FROM income_in_force WHERE day = '2026-10-03'"
    assert db.scalar(sa.text(gone)) == 0
    assert holds(db, survey(db, ALL))


def test_another_payout_and_a_rate_are_named_as_what_differs(db: sa.Connection) -> None:
    force(
        db,
        "UPDATE transfers SET amount = amount + 1 WHERE subject = 'payout' AND kind = 'post' "
        "AND created_at::date = '2026-10-05'",
        "INSERT INTO exchange_rates VALUES ('USD', '2026-10-16', 87.5, 'test', now())",
    )
    days = "SELECT count(*) FROM income_records WHERE day BETWEEN '2026-10-16' AND '2026-10-26'"
    assert survey(db, ALL).matters == {Matter.PAYOUTS: 1, Matter.RATE: db.scalar(sa.text(days))}
    revised(db, most=100)
    assert holds(db, survey(db, ALL))


def test_a_closed_period_is_neither_surveyed_nor_corrected(db: sa.Connection) -> None:
    force(db, RENAME, "UPDATE income_periods SET closed = true")
    with pytest.raises(PeriodClosedError):
        survey(db, ALL)
    with pytest.raises(PeriodClosedError):
        revised(db)
