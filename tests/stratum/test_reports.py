"""Refusals and state on their way to PostgreSQL: added once, kept while it is away, bounded."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from kench.native import Verdict
from kench.pool.database import Role, open_engine
from kench.stratum import reports
from kench.stratum.reports import Reports


def rows_of(engine: sa.Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        found = connection.execute(
            sa.text(
                "SELECT participant_id, worker_id, reason, user_agent, count FROM refusals"
                " ORDER BY 1, 2, 3, 4"
            )
        )
        return [tuple(row) for row in found]


@pytest.fixture
def writer(database: str) -> Iterator[Reports]:
    """Reports as the front writes them, but impatient of locks."""
    opened = open_engine(database, Role.STRATUM, application_name="test", lock_timeout_s=0.05)
    yield Reports(opened)
    opened.dispose()


def test_refusals_add_up_by_worker_reason_and_user_agent(
    writer: Reports, engine: sa.Engine
) -> None:
    writer.write({(1, 2, Verdict.STALE, "a/1"): 3, (0, 0, Verdict.UNAUTHORISED, ""): 1}, {})
    writer.write({(1, 2, Verdict.STALE, "a/1"): 4, (1, 2, Verdict.STALE, "b/2"): 1}, {})
    assert rows_of(engine) == [
        (0, 0, "unauthorised", "", 1),
        (1, 2, "stale", "a/1", 7),
        (1, 2, "stale", "b/2", 1),
    ]


def test_who_writes_learns_how_settlement_fares(writer: Reports, engine: sa.Engine) -> None:
    nothing = {"manifests_waiting": 0, "manifests_waiting_s": 0.0, "followers": None}
    told = dict(writer.write({}, {}))
    assert told.pop("income")["late_days"] == 0
    assert told == {"waits": False, **nothing}
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE settlement SET waits_for = 'x', since = now()"))
    told = [writer.write({}, {})["waits"] for _ in range(reports.REPORTS_PER_LOOK)]
    assert told == [False] * (reports.REPORTS_PER_LOOK - 1) + [True]


def test_user_agents_of_a_worker_past_the_bound_are_counted_as_other(
    writer: Reports, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "ROWS_PER_WORKER_MAX", 2)
    writer.write({(1, 2, Verdict.STALE, "a"): 1, (1, 2, Verdict.STALE, "b"): 1}, {})
    writer.write({(1, 2, Verdict.STALE, one): 1 for one in ("a", "c", "d")}, {})
    assert rows_of(engine) == [
        (1, 2, "stale", "a", 2),
        (1, 2, "stale", "b", 1),
        (1, 2, "stale", "other", 2),
    ]


def test_what_could_not_be_written_is_written_with_the_next(
    writer: Reports, engine: sa.Engine
) -> None:
    with engine.begin() as holder:
        holder.execute(sa.text("LOCK TABLE front_ends"))
        with pytest.raises(OperationalError):
            writer.write({(1, 2, Verdict.STALE, "a"): 1}, {0: {}})
    writer.write({(1, 2, Verdict.STALE, "a"): 1}, {})
    assert rows_of(engine) == [(1, 2, "stale", "a", 2)]
