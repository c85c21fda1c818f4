"""The trail: every entry and act of a person, and what was refused, never changed."""

import re
from dataclasses import dataclass

import sqlalchemy as sa

from kench.cabinet.login.tables import acts
from kench.cabinet.login.whose import whose
from kench.pool.moments import moment_of, us_of

ADDRESS_MAX, SUBJECT_MAX, DETAIL_MAX = 64, 200, 400
DONE = "done"
_WORD = re.compile(r"[a-z][a-z_]{0,39}")


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One line of it; `outcome` is DONE or the name of a refusal."""

    at_us: int
    act: str
    outcome: str
    subject: str = ""
    address: str = ""
    detail: str = ""
    person_id: int | None = None
    login_id: int | None = None
    participant_id: int | None = None
    """Whose papers it was about; where it is not said, the subject tells."""


def keep_trail(db: sa.Connection, entry: TrailEntry) -> None:
    """Write one line; part of the transaction of what it tells of."""
    if not _WORD.fullmatch(entry.act) or not _WORD.fullmatch(entry.outcome):
        raise AssertionError(f"act {entry.act!r} and outcome {entry.outcome!r} are short words")
    db.execute(
        sa.insert(acts).values(
            at=moment_of(entry.at_us),
            act=entry.act,
            outcome=entry.outcome,
            subject=entry.subject[:SUBJECT_MAX],
            address=entry.address[:ADDRESS_MAX],
            detail=entry.detail[:DETAIL_MAX],
            person_id=entry.person_id,
            login_id=entry.login_id,
            participant_id=entry.participant_id or whose(db, entry.subject),
        )
    )


def trail_of_person(
    db: sa.Connection, person_id: int, *, before_id: int | None = None, at_most: int = 50
) -> list[tuple[int, TrailEntry]]:
    """Newest lines of a person, each with its id; `before_id` turns the page."""
    query = sa.select(acts).where(acts.c.person_id == person_id)
    if before_id is not None:
        query = query.where(acts.c.id < before_id)
    rows = db.execute(query.order_by(acts.c.id.desc()).limit(at_most))
    return [
        (
            row.id,
            TrailEntry(
                us_of(row.at),
                row.act,
                row.outcome,
                row.subject,
                row.address,
                row.detail,
                row.person_id,
                row.login_id,
                row.participant_id,
            ),
        )
        for row in rows
    ]
