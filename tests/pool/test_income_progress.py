"""How forming income fares, as the database tells it: late days, turns that failed, messages."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from kench.payouts.income.progress import Turn, keep_turn
from kench.pool.calendar import day_at
from kench.pool.income_progress import late_words, read_income_progress
from kench.pool.moments import us_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def told_after(engine: sa.Engine, *turns: Turn, then: str = "SELECT 1") -> dict[str, Any]:
    """What is told after these turns; nothing of it stays."""
    with engine.connect() as db:
        for turn in turns:
            keep_turn(db, turn, NOW)
        db.exec_driver_sql(then)
        told = read_income_progress(db)
        db.rollback()
    return json.loads(json.dumps(told))


def test_late_days_are_counted_from_the_last_that_was_formed(engine: sa.Engine) -> None:
    before = told_after(engine)
    assert (before["formed_until"], before["late_days"], late_words(before)) == (None, 0, None)
    with engine.connect() as db:
        now = db.execute(sa.text("SELECT now() - interval '1 hour'")).scalar_one()
    today = day_at(us_of(now))
    turns = [Turn(3, 0.5, today.replace(day=1).replace(year=today.year - 1)), Turn(4, 1.5)]
    set_until = "UPDATE income_forming SET formed_until = '{}'::date - {}"
    whole = told_after(engine, *turns, then=set_until.format(today, 1))
    assert (whole["late_days"], whole["missing_day"], late_words(whole)) == (0, None, None)
    assert (whole["records"], whole["took_s"], whole["failures"]) == (7, 1.5, 0)
    late = told_after(engine, *turns, then=set_until.format(today, 3))
    assert late["late_days"] == 2
    assert "LATE: 2 days not formed" in (late_words(late) or "")
    assert "is `kench settle` up?" in (late_words(late) or "")


def test_turns_that_fail_are_counted_and_say_why_until_one_succeeds(engine: sa.Engine) -> None:
    failed = [Turn(0, 0.1, fault="x" * 600), Turn(2, 0.2, fault="the ledger says otherwise")]
    told = told_after(engine, *failed)
    assert (told["failures"], told["fault"], told["records"]) == (2, "the ledger says otherwise", 2)
    # Before anything was formed, days are late from the first failure on.
    old = "UPDATE income_forming SET failing_since = now() - interval '40 hours'"
    assert told_after(engine, *failed, then=old)["late_days"] >= 2
    assert told_after(engine, *failed, Turn(1, 0.1, NOW.date()))["fault"] is None


def test_messages_that_were_given_up_are_told(engine: sa.Engine) -> None:
    told = told_after(
        engine,
        then="SET session_replication_role = replica; INSERT INTO income_pushes (release, "
        "after_sequence, last_sequence, records, xroad_id, queued_at, due_at, state) SELECT 1, n, "
        "n + 1, 1, gen_random_uuid(), now() - interval '1 hour', now(), "
        "CASE WHEN n = 1 THEN 'failed' ELSE 'waiting' END FROM generate_series(1, 3) AS n",
    )
    assert (told["pushes_waiting"], told["pushes_failed"], told["rejected"]) == (2, 1, 0)
    assert 3_600 <= told["pushes_waiting_s"] < 7_200
    assert "messages to the tax service given up: 1" in (late_words(told) or "")
