"""The bank's statements in their order: none is missing, and the newest ties to the ledger.

The ledger as of a day is what it has now at the bank without what the bank booked later. Nothing
is kept of what is found: whatever is taken next may mend it, so it is asked again each time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts.accounts import CLIENTS_BANK
from kench.payouts.bank import tables
from kench.payouts.bank.messages import Message
from kench.payouts.bank.outcomes import Outcome

_MOVED = ("booked", "batch_booked", "returned", "venue_credited")
_CREDITS = ("returned", "venue_credited")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement of the bank says of the account as a whole; None: it does not say."""

    name: str
    number: int | None
    opening_tyiyn: int | None
    closing_tyiyn: int | None
    closing_date: date | None

    @property
    def said(self) -> str:
        """How people name it."""
        which = f"statement {self.name or '(no name)'}"
        return which if self.number is None else f"{which} (number {self.number})"


@dataclass(frozen=True, slots=True)
class Remark:
    """What the statements say together, of one of them."""

    outcome: Outcome
    statement: Statement
    words: str


def keep_statement(
    connection: sa.Connection, message: Message, place: int, taken_at: datetime
) -> None:
    """Keep what a statement says, if the message is one."""
    if message.balances is None:
        return
    said = message.balances
    connection.execute(
        insert(tables.bank_statements)
        .values(
            file_sha256=message.sha256,
            place=place,
            name=message.id,
            number=said.number,
            opening_tyiyn=said.opening_tyiyn,
            closing_tyiyn=said.closing_tyiyn,
            closing_date=date.fromisoformat(said.closing_date) if said.closing_date else None,
            taken_at=taken_at,
        )
        .on_conflict_do_nothing()
    )


def compare_statements(connection: sa.Connection) -> Iterator[Remark]:
    """Yield what is wrong with the statements taken so far, and how the newest ties."""
    columns = tables.bank_statements.c
    rows = connection.execute(
        sa.select(
            columns.name, columns.number, columns.opening_tyiyn, columns.closing_tyiyn,
            columns.closing_date,
        ).order_by(columns.taken_at, columns.file_sha256, columns.place)
    )  # fmt: skip
    statements = whole_statements(Statement(*row) for row in rows)
    yield from follow(statements)
    if statements and statements[-1].closing_date is not None:
        newest = statements[-1]
        yield tie(newest, _ledger_tyiyn(connection, statements[-1].closing_date))


def whole_statements(told: Iterator[Statement]) -> list[Statement]:
    """Return each statement once, its pages put together, in the order of the account. Pure."""
    whole: list[Statement] = []
    for page in told:
        for at, known in enumerate(whole):
            joined = _joined(known, page)
            if joined is not None:
                whole[at] = joined
                break
        else:
            whole.append(page)
    return sorted(
        whole,
        key=lambda one: (one.closing_date or date.max, one.number or 0, one.name),
    )


def follow(statements: Sequence[Statement]) -> Iterator[Remark]:
    """Yield what does not follow from one statement to the next. Pure."""
    for one in statements:
        if one.closing_tyiyn is None or one.closing_date is None:
            yield Remark(
                Outcome.STATEMENT_UNCLEAR, one, "it has no closing balance in KGS with its day"
            )
    dated = [one for one in statements if one.closing_date is not None]
    for before, one in pairwise(dated):
        remark = _step(before, one)
        if remark is not None:
            yield remark


def tie(newest: Statement, ledger_tyiyn: int) -> Remark:
    """Compare the closing balance of the newest statement with the ledger. Pure."""
    closing = newest.closing_tyiyn or 0
    words = f"it closes with {closing} tyiyn on {newest.closing_date}"
    if closing == ledger_tyiyn:
        return Remark(Outcome.BALANCED, newest, f"{words}, as the ledger")
    return Remark(
        Outcome.BALANCE_DIFFERS,
        newest,
        f"{words}, the ledger has {ledger_tyiyn}: {closing - ledger_tyiyn:+} differ",
    )


def _step(before: Statement, one: Statement) -> Remark | None:
    opening, closing = one.opening_tyiyn, before.closing_tyiyn
    ties = opening is None or closing is None or opening == closing
    balances = f"it opens with {opening} tyiyn, and {before.said} closes with {closing}"
    if one.number is None or before.number is None:
        return None if ties else Remark(Outcome.STATEMENT_MISSING, one, balances)
    if one.number == before.number and one.closing_date == before.closing_date:
        return Remark(Outcome.STATEMENT_UNCLEAR, one, f"{before.said} says other than it")
    is_next = one.number == before.number + 1
    # Banks begin to count anew with the year.
    is_first = one.number == 1 and _year(one) > _year(before)
    if not (is_next or is_first):
        return Remark(Outcome.STATEMENT_MISSING, one, f"the one before it is {before.said}")
    if ties:
        return None
    return Remark(Outcome.OPENING_DIFFERS if is_next else Outcome.STATEMENT_MISSING, one, balances)


def _year(statement: Statement) -> int:
    return statement.closing_date.year if statement.closing_date else 0


def _joined(known: Statement, page: Statement) -> Statement | None:
    """Return a statement with what another page of it says; None where it is another's."""
    if (known.name, known.number) != (page.name, page.number):
        return None
    pairs = [
        (known.opening_tyiyn, page.opening_tyiyn),
        (known.closing_tyiyn, page.closing_tyiyn),
        (known.closing_date, page.closing_date),
    ]
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        return None
    return replace(
        known,
        opening_tyiyn=_either(known.opening_tyiyn, page.opening_tyiyn),
        closing_tyiyn=_either(known.closing_tyiyn, page.closing_tyiyn),
        closing_date=known.closing_date or page.closing_date,
    )


def _either(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _ledger_tyiyn(connection: sa.Connection, day: date) -> int:
    """Return what the ledger has at the bank, without what the bank booked after a day."""
    balances = tables.balances.c
    posted = connection.scalar(sa.select(balances.posted).where(balances.code == CLIENTS_BANK))
    kept = tables.bank_entries.c
    # Written out, not bound: the index is of these rows alone.
    moved = sa.literal_column("outcome").in_([sa.literal_column(f"'{name}'") for name in _MOVED])
    amount = sa.case((kept.outcome.in_(_CREDITS), kept.amount_tyiyn), else_=-kept.amount_tyiyn)
    later = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(amount), 0)).where(
            moved, kept.booked_date > day.isoformat()
        )
    )
    return int(posted or 0) - int(later or 0)
