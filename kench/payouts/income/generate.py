"""Forming the records of a period from the books: days that are over, each record once.

    days of ledger and records that differ -> facts, register, rates -> records by COPY -> tie

What is there already is never looked at again, so that doing it twice is doing it once. In the end
the records of those days are compared with the ledger, participant by participant: where they
differ, nothing is written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts.income import tables
from kench.payouts.income.errors import IncomeNotTiedError, PeriodClosedError
from kench.payouts.income.facts import MOVES, SUMS, Day, Span, read_days
from kench.payouts.income.rates import RateTable
from kench.payouts.income.record import Facts, Record, Reference, Taxpayer, make_record
from kench.payouts.income.writing import write_records
from kench.payouts.statements.statement import Period, period_of
from kench.pool.calendar import day_at
from kench.pool.moments import BISHKEK, midnight_us, moment_of

INCOME_LOCK = 0x6B656E63685F69
"""Key of the advisory lock under which documents are written ("kench_i" in ASCII)."""
QUIET_US = 300 * 1_000_000
"""So long after its midnight nothing of a day is under way: longer than our transactions may take,
whose lines have the moment at which they began."""
STATEMENT_S = 600
SORT_KB = 65_536
"""Memory that PostgreSQL may sort in; more goes to its disk."""
TOLD_MAX = 5

TIED = f"""
    SELECT participant_id, day FROM (
        SELECT participant_id, day, {SUMS} FROM ({MOVES}) AS moves
        GROUP BY participant_id, day
    ) AS booked FULL JOIN (
        SELECT participant_id, day, accrued_sat AS accrued, sold_sat AS sold, net_tyiyn AS net,
            paid_tyiyn AS paid
        FROM income_in_force WHERE period = :period
            AND day < CAST(CAST(:ends AS timestamptz) AT TIME ZONE INTERVAL '6 hours' AS date)
    ) AS formed USING (participant_id, day)
    WHERE (accrued_sat, sold_sat, net_tyiyn, paid_tyiyn)
        IS DISTINCT FROM (accrued, sold, net, paid)
"""  # noqa: S608 - constant parts
"""Days of participants whose record and ledger differ, or that have one of the two alone."""
_DAYS = sa.text(f"SELECT DISTINCT day FROM ({TIED}) AS odd ORDER BY day")  # noqa: S608 - constant
_ODD = sa.text(f"{TIED} AND day = ANY(CAST(:days AS date[])) ORDER BY 1, 2 LIMIT :most")
_BEGUN = sa.text("""
    SELECT participant_id, day FROM income_records
    WHERE doc_type = 'new' AND period = :period AND day = ANY(CAST(:days AS date[]))
    ORDER BY participant_id, day
""")


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of forming a period's records."""

    period: str
    records: int
    days: int
    until: date | None
    """The last day that was over; None where none is."""


class Known(NamedTuple):
    """What the register says of a participant."""

    participant: Taxpayer
    planned_kwh_month: int | None


def generate(
    db: sa.Connection,
    period: str,
    now_us: int,
    show: Callable[[int], None] = lambda _written: None,
) -> Generated:
    """Form what a period lacks, in the caller's transaction; nothing where it lacks nothing.

    Raises PeriodClosedError, IncomeNotTiedError, StatementError for what is no period.
    """
    month = period_of(period)
    _prepare(db)
    ends = over_until(month, now_us)
    if ends == month.begins:
        return Generated(period, 0, 0, None)
    refuse_closed(db, period)
    bounds: dict[str, Any] = {"period": period, "begins": month.begins, "ends": ends}
    days = tuple(db.execute(_DAYS, bounds).scalars())
    made = _records(db, month, days) if days else ()
    written = write_records(db, made, moment_of(now_us), show)
    odd = db.execute(_ODD, {**bounds, "days": list(days), "most": TOLD_MAX}).all() if days else ()
    if odd:
        named = ", ".join(f"participant {row.participant_id} on {row.day}" for row in odd)
        raise IncomeNotTiedError(
            f"records of {period} are not what the ledger says: {named}; nothing was written: run "
            f"`kench audit`, and where that finds nothing correct these records (docs/income.md)"
        )
    return Generated(period, written, len(days), ends.date() - timedelta(days=1))


def over_until(month: Period, now_us: int) -> datetime:
    """Where those days of a month end that are over, with all that began in them."""
    ends = moment_of(midnight_us(day_at(now_us - QUIET_US))).astimezone(BISHKEK)
    return max(month.begins, min(month.ends, ends))


def take_turn(db: sa.Connection) -> None:
    """Let one write documents at a time; the next sees what was there before."""
    db.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": INCOME_LOCK})


def refuse_closed(db: sa.Connection, period: str) -> None:
    """Raise PeriodClosedError for a closed period."""
    closed = db.scalar(
        sa.select(tables.income_periods.c.closed).where(tables.income_periods.c.period == period)
    )
    if closed:
        raise PeriodClosedError(
            f"period {period} is closed: it takes records again when an order opens it"
        )


def read_known(db: sa.Connection, participant_id: int) -> Known:
    """What the register says of one participant now."""
    return next(read_register(db, [participant_id]), Known(Taxpayer(participant_id), None))


def read_register(db: sa.Connection, of: Sequence[int] | None = None) -> Iterator[Known]:
    """Yield what the register says of participants, by their numbers: of all, or of some."""
    columns = tables.income_participants.c
    query = sa.select(
        columns.participant_id, columns.tax_number, columns.name, columns.certificate,
        columns.kind, columns.planned_kwh_month,
    ).order_by(columns.participant_id)  # fmt: skip
    if of is not None:
        query = query.where(columns.participant_id == sa.any_(sa.cast(of, sa.ARRAY(sa.Integer))))
    for row in db.execute(query, execution_options={"stream_results": True}):
        yield Known(Taxpayer(*row[:5]), row.planned_kwh_month)


def _prepare(db: sa.Connection) -> None:
    """Give the questions time and memory, and take turns, however long the one before takes."""
    for name in ("statement_timeout", "lock_timeout"):
        db.execute(sa.text(f"SET LOCAL {name} = '{STATEMENT_S}s'"))
    db.execute(sa.text(f"SET LOCAL work_mem = '{SORT_KB}kB'"))
    take_turn(db)


def _records(db: sa.Connection, month: Period, days: tuple[date, ...]) -> Iterator[Record]:
    """Yield a new record of each day that has facts and none yet."""
    rates = RateTable(db, days[0], days[-1])
    register = read_register(db)
    known = next(register, None)
    begun: Iterator[Any] = iter(
        db.execute(
            _BEGUN,
            {"period": month.name, "days": list(days)},
            execution_options={"stream_results": True},
        )
    )
    has = next(begun, None)
    for one in read_days(db, Span(days)):
        key = (one.participant_id, one.day)
        while has is not None and tuple(has) < key:
            has = next(begun, None)
        if has is not None and tuple(has) == key:
            continue
        while known is not None and known.participant.id < one.participant_id:
            known = next(register, None)
        mine = known if known and known.participant.id == one.participant_id else None
        yield first_record(
            month.name, one, mine or Known(Taxpayer(one.participant_id), None), rates
        )


def first_record(period: str, day: Day, known: Known, rates: RateTable) -> Record:
    """The document that begins a participant's day."""
    reference = Reference(period, day.participant_id, day.day.isoformat(), 1)
    return make_record(
        reference,
        known.participant,
        day.facts,
        official_rate=rates.of(day.day),
        electricity_declared_kwh=known.planned_kwh_month,
    )


def facts_of(db: sa.Connection, participant_id: int, day: date) -> Facts:
    """What the books say of one participant's day now."""
    found = next(read_days(db, Span((day,), participant_id)), None)
    return found.facts if found else Facts()
