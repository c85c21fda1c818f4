"""Income records for tests of pages: a day on which somebody was paid, without the books for it."""

import sqlalchemy as sa

from kench.payouts.income.record import Facts, Payout, Record, Reference, Taxpayer, make_record
from kench.payouts.income.writing import write_records
from kench.pool.moments import moment_of

PERIOD = "2026-11"


def income_record(db: sa.Connection, participant_id: int, now_us: int) -> Record:
    """Write the record of a participant's fifth of November."""
    paid = Payout("KENCH-00000001-0000000001", f"{PERIOD}-05T11:00:00+06:00", 500, "paid", "ab")
    reference = Reference(PERIOD, participant_id, f"{PERIOD}-05", 1)
    record = make_record(reference, Taxpayer(participant_id), Facts(payouts=(paid,)))
    write_records(db, [record], moment_of(now_us))
    return record
