"""A day is Bishkek's, from midnight to midnight, to the microsecond."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.methods.period import day_of, end_us, first_us, turns

TIMES_US = st.integers(0, 4 * 10**15)
DAY = date(2026, 12, 1)
MIDNIGHT_US = 1_796_061_600_000_000


def test_a_day_begins_six_hours_before_that_of_utc() -> None:
    assert first_us(DAY) == MIDNIGHT_US
    assert datetime.fromtimestamp(MIDNIGHT_US / 1e6, UTC).isoformat() == "2026-11-30T18:00:00+00:00"
    assert day_of(MIDNIGHT_US) == DAY
    assert day_of(MIDNIGHT_US - 1) == DAY - timedelta(days=1)
    assert end_us(DAY) == first_us(DAY + timedelta(days=1))


def test_the_table_of_time_zones_says_the_same() -> None:
    bishkek = ZoneInfo("Asia/Bishkek")
    for month in range(12 * 8):
        day = date(2024 + month // 12, 1 + month % 12, 1)
        begins = datetime(day.year, day.month, day.day, tzinfo=bishkek)
        assert first_us(day) == int(begins.timestamp()) * 1_000_000


@given(TIMES_US)
def test_each_time_is_of_one_day(time_us: int) -> None:
    day = day_of(time_us)
    assert first_us(day) <= time_us < end_us(day)


@given(st.lists(TIMES_US, min_size=1, max_size=20).map(sorted))
def test_turns_are_where_the_day_changes(times_us: list[int]) -> None:
    days = [day_of(time_us) for time_us in times_us]
    expected = [at for at in range(1, len(days)) if days[at] != days[at - 1]]
    assert turns(np.array(times_us, np.uint64)) == expected
