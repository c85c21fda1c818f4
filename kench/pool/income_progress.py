"""How forming income and handing it over fare: one object, for `kench status` and for metrics.

formed_until      the last day up to which no record is lacking; null before the first turn
missing_day       the oldest day that is over and not formed; null where there is none
late_days         so many days are over for an hour and not formed
records           formed by settlement in all
took_s            how long the last forming took
failures, fault   turns that failed in all; why the last one did, null where it did not
pushes_waiting, pushes_waiting_s, pushes_failed
messages to the tax service not sent yet, since when the oldest; given up
rejected          records that were rejected, of which no officer has said what was done
"""

from typing import Any

import sqlalchemy as sa

_PROGRESS = sa.text("SELECT * FROM income_progress")


def read_income_progress(db: sa.Connection) -> dict[str, Any]:
    """Read it; JSON can say it."""
    row = db.execute(_PROGRESS).one()._asdict()
    days = {name: row[name] and row[name].isoformat() for name in ("formed_until", "missing_day")}
    return row | days


def late_words(income: dict[str, Any]) -> str | None:
    """Return what is to be said of days that should have been formed, or handed over, by now."""
    told = []
    if income["late_days"]:
        told.append(
            f"LATE: {income['late_days']} days not formed, the first {income['missing_day']}: "
            f"{income['fault'] or 'is `kench settle` up?'}"
        )
    if income["pushes_failed"]:
        told.append(
            f"messages to the tax service given up: {income['pushes_failed']}, "
            "see the log of `kench tax`"
        )
    return "; ".join(told) or None
