"""Months of the country as they were read, for all officers, and read before anybody asks.

At 10,000 participants a month takes a second to read, so the year of the first page after a start
would take a dozen. A thread reads it by itself, and again whatever has become old.
"""

from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.numbers.country import CountryMonth, Members, read_members, read_month
from kench.cabinet.numbers.kept import ALWAYS, Kept, KeptWhileWritten
from kench.payouts.statements.statement import Period, month_before, present_month
from kench.pool.looking import Looking
from kench.pool.moments import moment_of

MONTHS = 12
KEPT_MAX = 60
"""Months that are kept."""
NOW_US, LATELY_US, PAST_US = 300 * 1_000_000, 3600 * 1_000_000, 86_400 * 1_000_000
"""The present month is read again after five minutes, one that ended lately after an hour, those
before after a day: a block may still be orphaned, a day's work come late."""
LATELY = timedelta(days=31)
MEMBERS_S = 60.0
FIRST_S, LOOK_S = 20.0, 60.0
"""Whoever starts has more urgent work than the year of the country."""
COUNTRY_THREADS = 1
"""Connections to PostgreSQL that it takes."""

log = structlog.get_logger("country")


class KeptCountry(Looking):
    """Months that were read; of one process, for any thread."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Read nothing yet."""
        super().__init__("country")
        self._cabinet = cabinet
        self._months: KeptWhileWritten[str, CountryMonth] = KeptWhileWritten(KEPT_MAX)
        self._members = Kept(self._read_members, cabinet.clock, MEMBERS_S)

    def month(self, period: Period, now_us: int) -> CountryMonth:
        """Return a month."""
        now = moment_of(now_us)

        def read() -> CountryMonth:
            with self._cabinet.reading.connect() as db:
                return read_month(db, period, now)

        ended = now - period.ends
        again_us = PAST_US if ended > LATELY else LATELY_US if ended > timedelta() else NOW_US
        return self._months.value(period.name, ALWAYS, now_us, read, again_us)

    def year(self, period: Period, now_us: int) -> list[CountryMonth]:
        """Return twelve months up to one, the first first."""
        periods = [period]
        while len(periods) < MONTHS:
            periods.append(month_before(periods[-1]))
        return [self.month(one, now_us) for one in reversed(periods)]

    def members(self) -> Members:
        """Return how many participants there are now."""
        return self._members.value()

    def look(self) -> None:
        """Read what of the present year is not there or old; raises SQLAlchemyError."""
        now_us = self._cabinet.clock.now_us()
        month = present_month(now_us)
        for _ in range(MONTHS):
            if self._stop.is_set():
                return
            self.month(month, now_us)
            month = month_before(month)

    def _read_members(self) -> Members:
        with self._cabinet.reading.connect() as db:
            return read_members(db)

    def _run(self) -> None:
        wait_s = FIRST_S
        while not self._stop.wait(wait_s):
            wait_s = LOOK_S
            try:
                self.look()
            except SQLAlchemyError as error:
                # Who asks for the page reads it then, and is told.
                log.warning("the country is not read", why=str(error).partition("\n")[0])
