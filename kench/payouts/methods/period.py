"""Method `period`: all blocks of a calendar day pay all work of that day, each its own reward.

The day is Bishkek's, by a fixed offset of +06:00, which the Republic has kept without summer time
since 2005: a rule that a table of time zones on some machine cannot change. In which order the work
of a day was done does not matter. `Round` gathers it, and a block does not close it.
"""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from kench.pool.moments import BISHKEK, midnight_us

OFFSET = BISHKEK.utcoffset(None)
_DAY_US = 86_400_000_000
_OFFSET_US = OFFSET // timedelta(microseconds=1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def day_of(time_us: int) -> date:
    """Return the day in Bishkek to which a time in Unix microseconds belongs."""
    return date.fromordinal(_EPOCH_DAY + (time_us + _OFFSET_US) // _DAY_US)


def first_us(day: date) -> int:
    """Return the first microsecond of a day."""
    return midnight_us(day)


def end_us(day: date) -> int:
    """Return the first microsecond after a day."""
    return first_us(day) + _DAY_US


def turns(times_us: npt.NDArray[np.uint64]) -> list[int]:
    """Return at which positions of ascending times another day begins than that before."""
    days = (times_us + np.uint64(_OFFSET_US)) // np.uint64(_DAY_US)
    return (np.flatnonzero(days[1:] != days[:-1]) + 1).tolist()
