"""Moments: Unix microseconds as datetimes and back, exactly, and the days of Bishkek."""

from datetime import UTC, date, datetime, timedelta, timezone

BISHKEK = timezone(timedelta(hours=6), "Asia/Bishkek")
"""The Republic has kept one offset all the year since 2005."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(at_us: int) -> datetime:
    """Return the moment of so many Unix microseconds, as PostgreSQL takes it."""
    return _EPOCH + timedelta(microseconds=at_us)


def us_of(moment: datetime) -> int:
    """Return the Unix microseconds of a moment that knows its offset."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def midnight_us(day: date) -> int:
    """Return the Unix microseconds at which a day begins in Bishkek."""
    return us_of(datetime(day.year, day.month, day.day, tzinfo=BISHKEK))


def moment_text(at_us: int) -> str:
    """Return the moment as people in the Republic read it: RFC 3339 with Bishkek's offset."""
    return moment_of(at_us).astimezone(BISHKEK).isoformat()
