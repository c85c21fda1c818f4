"""Which CARF messages a period's file has: the first whole, later ones with what has changed since.

    closings      1 closed   2 reopened   3 closed   4 reopened   5 closed
    documents     ├── sequence ≤ a ──┤├──── ≤ b ────┤├──── ≤ c ────┤
    messages      v1: all             v3: changes    v5: changes, each of the edition that told of
                                                     its participant last; and who is new, apart

A period that is not closed has a draft, which is nobody's to send.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts.income.carf import Content, Document, Fate, Message, User
from kench.payouts.income.periods import Kind, PeriodState, State
from kench.payouts.statements.statement import period_of
from kench.pool.moments import BISHKEK

WHOLE, CHANGES, NEWCOMERS = "carf.xml", "carf-changes.xml", "carf-new.xml"
_STREAMED = {"stream_results": True}

_NETWORK = sa.text("""
    SELECT network FROM orders JOIN order_acceptances ON order_id = orders.id
    ORDER BY order_acceptances.number DESC LIMIT 1
""")
_LAST = sa.text("""
    SELECT sequence FROM income_records WHERE period = :period
    ORDER BY sequence OFFSET :records - 1 LIMIT 1
""")
_SUMS = """
    SELECT participant_id, count(*) FILTER (WHERE accrued_sat > 0) AS accruals,
        sum(accrued_sat)::bigint AS accrued_sat, count(*) FILTER (WHERE sold_sat > 0) AS sales,
        sum(sold_sat)::bigint AS sold_sat, sum(gross_tyiyn)::bigint AS gross_tyiyn
    FROM income_records AS record
    WHERE period = :period AND sequence <= {upto} AND doc_type <> 'delete' AND NOT EXISTS (
        SELECT FROM income_records AS later
        WHERE later.corrects = record.doc_ref AND later.sequence <= {upto})
    GROUP BY participant_id HAVING sum(accrued_sat) > 0 OR sum(sold_sat) > 0
"""
_USER = """
    participant_id, known.name, known.tax_number, known.kind, known.address,
    accruals, accrued_sat, sales, sold_sat, gross_tyiyn
"""
_ALL = sa.text(f"""
    WITH sums AS ({_SUMS.format(upto=":upto")})
    SELECT {_USER} FROM sums LEFT JOIN income_participants AS known USING (participant_id)
    ORDER BY participant_id
""")  # noqa: S608 - of constants
# Who was told of before has what is in force now, or what was then where nothing is.
_CHANGED = sa.text(f"""
    WITH now AS ({_SUMS.format(upto=":upto")}), earlier AS ({_SUMS.format(upto=":before")}),
    changed AS (
        SELECT participant_id, max(sequence) FILTER (WHERE sequence <= :before) AS told
        FROM income_records WHERE period = :period AND sequence <= :upto
        GROUP BY participant_id HAVING max(sequence) > :before
    ), sums AS (
        SELECT now.*, CASE WHEN earlier IS NULL THEN 'NEW' ELSE 'CORRECTED' END AS fate
        FROM now LEFT JOIN earlier USING (participant_id)
        UNION ALL
        SELECT earlier.*, 'DELETED' FROM earlier LEFT JOIN now USING (participant_id)
        WHERE now IS NULL
    )
    SELECT {_USER}, fate, told
    FROM changed JOIN sums USING (participant_id)
        LEFT JOIN income_participants AS known USING (participant_id)
    WHERE (fate = 'NEW') = :new ORDER BY participant_id
""")  # noqa: S608 - of constants


class Edition(NamedTuple):
    """What was closed: its name in references, and the last document that it has."""

    name: str
    upto: int


class File(NamedTuple):
    """A message to be written, and what is in it."""

    name: str
    message: Message
    documents: Iterator[Document]


def carf_files(db: sa.Connection, state: PeriodState, made_at: datetime) -> Iterator[File]:
    """Yield the messages of a period as it is now, each to be read before the next."""
    editions = _editions(db, state)
    last_day = (period_of(state.period).ends - timedelta(days=1)).astimezone(BISHKEK).date()
    # Where no order has said which network this is, nothing is passed off as real.
    network = db.scalar(_NETWORK) or ""
    message = Message(state.period, last_day, network, made_at, "")
    if state.state is not State.CLOSED:
        draft = Edition(f"draft-{made_at:%Y%m%dT%H%M%S}", 2**63 - 1)
        yield _whole(db, message, draft)
    elif len(editions) == 1:
        yield _whole(db, message, editions[0])
    else:
        yield from _changes(db, message, editions)


def _editions(db: sa.Connection, state: PeriodState) -> list[Edition]:
    return [
        Edition(
            f"v{one.version}",
            db.scalar(_LAST, {"period": state.period, "records": one.records}) or 0,
        )
        for one in state.closings
        if one.kind is Kind.CLOSED
    ]


def _whole(db: sa.Connection, message: Message, edition: Edition) -> File:
    values = {"period": message.period, "upto": edition.upto}
    rows = db.execute(_ALL, values, execution_options=_STREAMED)
    documents = (Document(User(*row)) for row in rows)
    return File(WHOLE, message._replace(edition=edition.name), documents)


def _changes(db: sa.Connection, message: Message, editions: Sequence[Edition]) -> Iterator[File]:
    """Yield changes and newcomers apart, as the OECD wants them; neither where there is none."""
    *before, last = editions
    values = {"period": message.period, "upto": last.upto, "before": before[-1].upto}
    for new, name, content, part in (
        (False, CHANGES, Content.CHANGES, ""),
        (True, NEWCOMERS, Content.NEW, "-new"),
    ):
        rows = db.execute(_CHANGED, {**values, "new": new}, execution_options=_STREAMED)
        first = next(rows, None)
        if first is None:
            continue
        about = message._replace(
            edition=last.name, part=part, content=content, first_edition=before[0].name
        )
        yield File(name, about, (_document(row, before) for row in chain([first], rows)))


def _document(row: Any, before: Sequence[Edition]) -> Document:
    *user, fate, told = row
    return Document(User(*user), Fate[fate], None if fate == "NEW" else _told_in(told, before))


def _told_in(sequence: int, before: Sequence[Edition]) -> str:
    """The edition that told last of whose newest document this was."""
    return next(one.name for one in before if sequence <= one.upto)
