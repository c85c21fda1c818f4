"""The thread that forms yesterday's records, some minutes after Bishkek's midnight."""

import threading
from datetime import UTC, datetime

import pytest

from kench.payouts.income.errors import IncomeNotTiedError
from kench.payouts.income.generate import QUIET_US
from kench.payouts.income.service import IncomeMaker
from kench.pool.clock import ManualClock
from kench.pool.moments import us_of
from tests.payouts.income.month import fill_month, force, opened, rows

MIDNIGHT_US = us_of(datetime(2026, 10, 3, 18, 0, tzinfo=UTC))
"""The fourth of October begins in Bishkek."""


def test_yesterday_is_formed_some_minutes_after_midnight_and_once(database: str) -> None:
    fill_month(database)
    engine = opened(database)
    clock = ManualClock(MIDNIGHT_US + QUIET_US - 1)
    maker = IncomeMaker(engine, clock)
    assert maker.turn() == 0
    clock.advance(0.000_001)
    assert maker.turn() == 2
    assert maker.turn() == 0
    told = "SELECT formed_until::text, records, failures, fault FROM income_forming"
    assert rows(database, told) == [("2026-10-03", 2, 0, None)]
    # The clock goes back over midnight, and on again.
    for seconds in (-600.0, 600.0):
        clock.advance(seconds)
        assert maker.turn() == 0
    clock.advance(86_400 * 40)
    assert IncomeMaker(engine, clock).turn() == 11
    engine.dispose()


def test_a_closed_period_keeps_no_other_from_being_formed(database: str) -> None:
    fill_month(database)
    force(database, "INSERT INTO income_periods VALUES ('2026-09', 1, true)")
    engine = opened(database)
    clock = ManualClock(us_of(datetime(2026, 10, 20, 6, 0, tzinfo=UTC)))
    assert IncomeMaker(engine, clock).turn() > 0
    engine.dispose()


def test_a_month_that_does_not_tie_keeps_no_other_from_being_formed(database: str) -> None:
    fill_month(database)
    engine = opened(database)
    clock = ManualClock(us_of(datetime(2026, 11, 2, 6, 0, tzinfo=UTC)))
    assert IncomeMaker(engine, clock).turn() > 0
    force(
        database,
        "UPDATE income_records SET accrued_sat = 1 WHERE day = '2026-10-03'",
        "DELETE FROM income_records WHERE day > '2026-10-20'",
        "UPDATE transfers SET created_at = '2026-11-01T05:00Z' WHERE created_at > '2026-10-20' "
        "AND kind = 'post'",
    )
    with pytest.raises(IncomeNotTiedError, match="2026-10"):
        IncomeMaker(engine, clock).turn()
    assert rows(database, "SELECT DISTINCT day FROM income_records WHERE period = '2026-11'")
    engine.dispose()


def test_what_does_not_tie_is_told_and_tried_again(database: str) -> None:
    fill_month(database)
    engine = opened(database)
    clock = ManualClock(us_of(datetime(2026, 10, 20, 6, 0, tzinfo=UTC)))
    assert IncomeMaker(engine, clock).turn() > 0
    force(database, "UPDATE income_records SET accrued_sat = 1 WHERE day = '2026-10-03'")
    maker = IncomeMaker(engine, clock)
    with pytest.raises(IncomeNotTiedError):
        maker.turn()
    told = "SELECT failures, fault LIKE 'records of 2026-10 are not%%' FROM income_forming"
    assert rows(database, told) == [(1, True)]
    force(database, "DELETE FROM income_records")
    assert maker.turn() > 0
    assert rows(database, told) == [(1, None)]
    stop = threading.Event()
    thread = maker.start(stop)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    engine.dispose()
