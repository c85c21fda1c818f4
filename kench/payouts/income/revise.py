"""Correcting many records at once: all of a participant or of a period that would read differently.

    last documents of days  ┐
    facts of the books      ├─ in the order of participant and day ─► what differs ─► COPY
    register, rates         ┘

First it is surveyed, which writes nothing; then it is done a batch at a time, each in a transaction
of its own. What is right by then is passed over, so that doing it again goes on where it ended, and
does nothing once all is right. A day that has facts and no document is formed, not corrected.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts.income.correct import replacing
from kench.payouts.income.facts import Day, Span, read_days
from kench.payouts.income.generate import (
    SORT_KB,
    STATEMENT_S,
    Known,
    read_register,
    refuse_closed,
    take_turn,
)
from kench.payouts.income.rates import RateTable
from kench.payouts.income.record import DocType, Facts, Record, Taxpayer, read_record
from kench.payouts.income.writing import write_records
from kench.payouts.statements.statement import period_of

BATCH_MAX = 20_000
"""Documents of one transaction, and those of one participant more."""
MANY = 100_000
"""Where nobody waits for a page: each batch reads the books of all whose turn is still to come."""
PARTICIPANTS_READ = 200
"""Participants whose documents wait in memory: of a month, 31 days and few corrections of each."""
SHOWN_MAX = 50

# Of documents that were corrected the last stands there, and those that were taken back.
_LAST = sa.text("""
    SELECT content FROM income_records AS record
    WHERE participant_id = ANY(CAST(:participants AS integer[])) AND period = :period
        AND NOT EXISTS (SELECT FROM income_records AS later WHERE later.corrects = record.doc_ref)
    ORDER BY participant_id, day
""")
_DAYS = """
    SELECT DISTINCT day FROM income_records
    WHERE period = :period AND participant_id > :after ORDER BY day
"""
_PARTICIPANTS = """
    SELECT DISTINCT participant_id FROM income_records
    WHERE period = :period AND participant_id > :after ORDER BY participant_id
"""
_OF_ONE = "participant_id = :whose AND participant_id > :after"


class Whose(NamedTuple):
    """Whose documents of a period are looked at: one participant's, or everybody's for 0."""

    period: str
    participant_id: int = 0


class Matter(StrEnum):
    """In what a document differs from what books and register say."""

    NAME = "name"
    TAX_NUMBER = "tax_number"
    CERTIFICATE = "certificate"
    KIND = "kind"
    ACCRUALS = "accruals"
    SALES = "sales"
    PAYOUTS = "payouts"
    WRITE_OFFS = "write_offs"
    RATE = "official_rate"
    ELECTRICITY = "electricity_declared_kwh"


_OF_TAXPAYER = (Matter.NAME, Matter.TAX_NUMBER, Matter.CERTIFICATE, Matter.KIND)


class Change(NamedTuple):
    """The last document of a day, and what would take its place."""

    last: Record
    new: Record

    @property
    def matters(self) -> tuple[Matter, ...]:
        """In what they differ."""
        one, other = self.last, self.new
        return tuple(
            matter
            for matter in Matter
            if getattr(one.participant if matter in _OF_TAXPAYER else one, matter)
            != getattr(other.participant if matter in _OF_TAXPAYER else other, matter)
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """What correcting would write."""

    corrections: int
    deletions: int
    """Days of which the books say nothing any more."""
    participants: int
    matters: Mapping[Matter, int]
    """In how many documents each differs; of those that stay."""
    shown: Sequence[Change]
    """The first of them."""

    @property
    def documents(self) -> int:
        """How many there would be."""
        return self.corrections + self.deletions


@dataclass(frozen=True, slots=True)
class Revised:
    """What a batch wrote."""

    documents: int
    after: int | None
    """The participant after whom the next batch goes on; None where all were looked at."""


def survey(db: sa.Connection, whose: Whose, shown: int = SHOWN_MAX) -> Survey:
    """Say what correcting would write now; raises PeriodClosedError, StatementError."""
    participants: set[int] = set()
    matters: Counter[Matter] = Counter()
    first: list[Change] = []
    corrections = deletions = 0
    for change in _changes(db, whose, 0):
        participants.add(change.new.participant.id)
        if change.new.doc_type is DocType.DELETE:
            deletions += 1
        else:
            corrections += 1
            matters.update(change.matters)
        if len(first) < shown:
            first.append(change)
    found = {matter: matters[matter] for matter in Matter if matters[matter]}
    return Survey(corrections, deletions, len(participants), found, first)


def revise(
    db: sa.Connection, whose: Whose, now: datetime, *, after: int = 0, most: int = BATCH_MAX
) -> Revised:
    """Correct a batch, in the caller's transaction; raises PeriodClosedError, StatementError."""
    take_turn(db)
    batch = _Batch(_changes(db, whose, after), most)
    written = write_records(db, iter(batch), now)
    return Revised(written, batch.after)


class _Batch:
    """New documents until there are enough, by whole participants."""

    def __init__(self, changes: Iterator[Change], most: int) -> None:
        self._changes, self._most = changes, most
        self.after: int | None = None

    def __iter__(self) -> Iterator[Record]:
        count, last = 0, 0
        for change in self._changes:
            who = change.new.participant.id
            if count >= self._most and who != last:
                self.after = last
                return
            count, last = count + 1, who
            yield change.new


def _changes(db: sa.Connection, whose: Whose, after: int) -> Iterator[Change]:
    """Yield what differs, in the order of participant and day."""
    period_of(whose.period)
    db.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_S}s'"))
    db.execute(sa.text(f"SET LOCAL work_mem = '{SORT_KB}kB'"))
    refuse_closed(db, whose.period)
    days = tuple(_chosen(db, _DAYS, whose, after))
    if not days:
        return
    rates = RateTable(db, days[0], days[-1])
    facts = _Facts(read_days(db, Span(days, whose.participant_id, after)))
    participants = list(_chosen(db, _PARTICIPANTS, whose, after))
    for begin in range(0, len(participants), PARTICIPANTS_READ):
        some = participants[begin : begin + PARTICIPANTS_READ]
        register = {known.participant.id: known for known in read_register(db, some)}
        rows = db.execute(_LAST, {"participants": some, "period": whose.period}).scalars().all()
        for content in rows:
            last = read_record(bytes(content))
            who = last.participant.id
            known = register.get(who) or Known(Taxpayer(who), None)
            new = replacing(last, known, facts.of(who, last.day), rates)
            if new is not None:
                yield Change(last, new)


def _chosen(db: sa.Connection, query: str, whose: Whose, after: int) -> sa.ScalarResult[Any]:
    if whose.participant_id:
        query = query.replace("participant_id > :after", _OF_ONE)
    else:
        query = f"/* comparison */ {query}"
    values = {"period": whose.period, "after": after, "whose": whose.participant_id}
    return db.execute(sa.text(query), values).scalars()


class _Facts:
    """Days of the books in their order, asked for in the same order."""

    def __init__(self, days: Iterator[Day]) -> None:
        self._days = days
        self._next = next(days, None)

    def of(self, participant_id: int, day: date) -> Facts:
        """What the books say of a participant's day; days before it are passed over."""
        key = (participant_id, day)
        while self._next is not None and self._next[:2] < key:
            self._next = next(self._days, None)
        if self._next is not None and self._next[:2] == key:
            return self._next.facts
        return Facts()
