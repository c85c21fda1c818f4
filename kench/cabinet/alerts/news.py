"""When something is told: at once, again while it lasts, and when it is over. Pure."""

from enum import StrEnum
from typing import NamedTuple

from kench.cabinet.alerts.rules import DAY_MINUTES
from kench.pool.moments import BISHKEK, moment_of

AGAIN_US = 3_600_000_000
"""While it lasts."""
SOON_US = 600_000_000
"""Further workers, or the same thing anew, wait so long after what was told last."""
_MINUTE_US = 60_000_000


class Event(StrEnum):
    """What a message says."""

    BEGUN = "begun"
    OVER = "over"
    TEST = "test"
    LETTER = "letter"
    CONFIRM = "confirm"


class Told(NamedTuple):
    """What was told last; without subjects it was that it is over."""

    at_us: int
    subjects: frozenset[int]


def news(told: Told | None, subjects: frozenset[int], now_us: int) -> tuple[Event | None, Told]:
    """What is to be told now of `subjects`, and what was told last after that."""
    if told is None:
        told = Told(now_us - AGAIN_US, frozenset())
    since_us = now_us - told.at_us
    if not subjects:
        if not told.subjects:
            return None, told
        return Event.OVER, Told(now_us, frozenset())
    further = subjects - told.subjects
    if since_us >= AGAIN_US or (further and since_us >= SOON_US):
        return Event.BEGUN, Told(now_us, subjects)
    # Who recovered alone is forgotten in silence: the message of the end comes for all of them.
    return None, Told(told.at_us, told.subjects & subjects or told.subjects)


def due_us(now_us: int, quiet_from: int, quiet_until: int) -> int:
    """When a message of now may be sent: after the quiet hours, if it is in them."""
    local = moment_of(now_us).astimezone(BISHKEK)
    minute = local.hour * 60 + local.minute
    length = (quiet_until - quiet_from) % DAY_MINUTES
    into = (minute - quiet_from) % DAY_MINUTES
    if into >= length:
        return now_us
    begun_us = now_us - (now_us % _MINUTE_US)
    return begun_us + (length - into) * _MINUTE_US
