"""Periods: a month that is open, closed by two officers, or opened again by an order.

What is signed is a `PeriodAct`: the sums of the documents in force, how many documents there are,
and one digest over all of them. PostgreSQL computes both again and takes no other.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa

from kench.payouts.income import tables
from kench.payouts.income.errors import (
    IncomeError,
    OrderNotInForceError,
    PeriodClosedError,
    Standing,
)
from kench.payouts.income.generate import QUIET_US, over_until
from kench.payouts.income.reconcile import compare
from kench.payouts.income.record import Totals
from kench.payouts.statements.statement import period_of
from kench.pool.moments import moment_of

PERIODS_MAX = 600
"""Fifty years of months."""
DIGESTS_AT_ONCE = 10_000
REASON_MAX = 2_000


class State(StrEnum):
    """What a period is."""

    OPEN = "open"
    CLOSED = "closed"
    REOPENED = "reopened"


class Kind(StrEnum):
    """What two officers do with a period."""

    CLOSED = "closed"
    REOPENED = "reopened"


class PeriodAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A closing or a reopening as data: the last line of what is signed."""

    period: str
    version: int
    kind: Kind
    digest: str
    records: int
    participants: int
    totals: Totals
    order: int | None = None
    reason: str = ""

    def content(self) -> bytes:
        """Return that line."""
        return msgspec.json.encode(self, order="deterministic")


class Summary(msgspec.Struct, frozen=True):
    """A period's documents: how many there are, and what those in force sum to."""

    records: int
    in_force: int
    participants: int
    first_day: date | None
    last_day: date | None
    totals: Totals


class Closing(msgspec.Struct, frozen=True):
    """A closing or reopening that is kept."""

    version: int
    kind: Kind
    digest: bytes
    records: int
    participants: int
    totals: Totals
    order_number: int | None
    act_1: int
    act_2: int
    at: datetime


class PeriodState(msgspec.Struct, frozen=True):
    """A period, what became of it, and what it holds now."""

    period: str
    state: State
    version: int
    summary: Summary
    closings: tuple[Closing, ...]


def period_state(db: sa.Connection, period: str) -> PeriodState:
    """Return what a period is; raises StatementError for what is no month."""
    period_of(period)
    columns = tables.income_periods.c
    row = db.execute(
        sa.select(columns.version, columns.closed).where(columns.period == period)
    ).one_or_none()
    closed, version = (row.closed, row.version) if row else (False, 0)
    state = State.CLOSED if closed else State.REOPENED if version else State.OPEN
    return PeriodState(period, state, version, summary_of(db, period), closings_of(db, period))


def summary_of(db: sa.Connection, period: str) -> Summary:
    """Sum a period's documents up."""
    columns = tables.income_in_force.c
    sums = [sa.func.coalesce(sa.func.sum(columns[name]), 0) for name in tables.SUMS]
    row: Any = db.execute(
        sa.select(
            sa.func.count(),
            sa.func.count(sa.distinct(columns.participant_id)),
            sa.func.min(columns.day),
            sa.func.max(columns.day),
            *sums,
        ).where(columns.period == period)
    ).one()
    counted = db.scalar(
        sa.select(sa.func.count())
        .select_from(tables.income_records)
        .where(tables.income_records.c.period == period)
    )
    return Summary(counted or 0, row[0], row[1], row[2], row[3], Totals(*map(int, row[4:])))


def closings_of(db: sa.Connection, period: str) -> tuple[Closing, ...]:
    """What two officers did with a period, the first first."""
    table = tables.income_closings
    rows = db.execute(sa.select(table).where(table.c.period == period).order_by(table.c.version))
    return tuple(_closing(row) for row in rows)


def list_periods(db: sa.Connection) -> list[str]:
    """Every period that there are records or closings of, the newest first."""
    column = tables.income_periods.c.period
    return list(db.scalars(sa.select(column).order_by(column.desc()).limit(PERIODS_MAX)))


def digest_of_period(db: sa.Connection, period: str) -> bytes:
    """Return SHA-256 over the digests of all of a period's documents, by their sequence."""
    columns = tables.income_records.c
    found = hashlib.sha256()
    rows = db.execute(
        sa.select(columns.sha256).where(columns.period == period).order_by(columns.sequence),
        execution_options={"stream_results": True, "max_row_buffer": DIGESTS_AT_ONCE},
    )
    for row in rows:
        found.update(row.sha256)
    return found.digest()


def closing_of(db: sa.Connection, period: str, now_us: int) -> PeriodAct:
    """What two officers sign to close a period; raises IncomeError where it cannot be closed."""
    month = period_of(period)
    if over_until(month, now_us) < month.ends:
        raise IncomeError(
            f"{period} is not over: it is closed when its last day has been over for "
            f"{QUIET_US // 60_000_000} minutes"
        )
    state = period_state(db, period)
    if state.state is State.CLOSED:
        raise PeriodClosedError(f"period {period} is closed")
    differences = compare(db, period, now_us, with_contents=False).differences
    if differences:
        raise IncomeError(
            f"{period} is not closed while its records differ from the books "
            f"({differences[0].words()}): form what is missing, correct what is wrong"
        )
    return _act(db, state, Kind.CLOSED)


def reopening_of(db: sa.Connection, period: str, order: int, reason: str, now_us: int) -> PeriodAct:
    """What two officers sign to open a closed period again, by an order that is in force then.

    Raises IncomeError, OrderNotInForceError.
    """
    state = period_state(db, period)
    if state.state is not State.CLOSED:
        raise IncomeError(f"period {period} is not closed")
    asked = sa.select(sa.func.order_standing(order, moment_of(now_us)))
    standing = Standing(db.execute(asked).scalar_one())
    if standing is not Standing.IN_FORCE:
        raise OrderNotInForceError(order, standing)
    if not reason.strip() or len(reason) > REASON_MAX:
        raise IncomeError(f"the reason has 1 to {REASON_MAX} characters")
    return _act(db, state, Kind.REOPENED, order, reason)


def keep_period_act(db: sa.Connection, act: PeriodAct, signed: Sequence[int], at: datetime) -> None:
    """Keep what two officers signed; PostgreSQL refuses what the records are not by now."""
    first, second = signed
    db.execute(
        sa.insert(tables.income_closings).values(
            period=act.period,
            version=act.version,
            kind=act.kind.value,
            digest=bytes.fromhex(act.digest),
            records=act.records,
            participants=act.participants,
            **msgspec.structs.asdict(act.totals),
            content=act.content(),
            act_1=first,
            act_2=second,
            order_number=act.order,
            at=at,
        )
    )


def _act(
    db: sa.Connection, state: PeriodState, kind: Kind, order: int | None = None, reason: str = ""
) -> PeriodAct:
    summary = state.summary
    return PeriodAct(
        period=state.period,
        version=state.version + 1,
        kind=kind,
        digest=digest_of_period(db, state.period).hex(),
        records=summary.records,
        participants=summary.participants,
        totals=summary.totals,
        order=order,
        reason=reason,
    )


def _closing(row: Any) -> Closing:
    return Closing(
        row.version,
        Kind(row.kind),
        bytes(row.digest),
        row.records,
        row.participants,
        Totals(*(getattr(row, name) for name in tables.SUMS)),
        row.order_number,
        row.act_1,
        row.act_2,
        row.at,
    )
