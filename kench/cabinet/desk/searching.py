"""The trail searched: by person, act, participant and day, newest first, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.login.tables import acts, persons
from kench.pool.moments import midnight_us, moment_of, us_of
from kench.pool.orders.tables import officers

PAGE = 50
LATEST_US = us_of(datetime(2200, 1, 1, tzinfo=UTC))
"""No line is of a later moment."""
DOCUMENTS_MAX = 20
"""Of an application, more than it can have."""
_NEWEST = (acts.c.at.desc(), acts.c.id.desc())


class Place(NamedTuple):
    """Where a page begins: after this line."""

    at_us: int
    id: int

    def text(self) -> str:
        """Return it as addresses have it."""
        return f"{self.at_us}-{self.id}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Read it; None for what is no place."""
        parts = text.split("-")
        if len(parts) != 2 or not all(part.isascii() and part.isdecimal() for part in parts):
            return None
        if any(len(part) > 18 for part in parts):
            return None
        place = cls(int(parts[0]), int(parts[1]))
        return place if place.at_us < LATEST_US else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; nothing of it is all."""

    pin: str = ""
    act: str = ""
    participant_id: int | None = None
    day: date | None = None


class Found(NamedTuple):
    """A line of the trail, and who did it."""

    id: int
    at: datetime
    act: str
    outcome: str
    subject: str
    detail: str
    address: str
    participant_id: int | None
    name: str | None
    pin: str | None


def search(
    db: sa.Connection, wanted: Wanted, before: Place | None = None, at_most: int = PAGE
) -> list[Found]:
    """Return the newest lines that are wanted, before a place."""
    query = sa.select(
        acts.c.id, acts.c.at, acts.c.act, acts.c.outcome, acts.c.subject, acts.c.detail,
        acts.c.address, acts.c.participant_id, persons.c.name, persons.c.pin,
    ).outerjoin_from(acts, persons, persons.c.id == acts.c.person_id)  # fmt: skip
    if wanted.pin:
        whose = sa.select(persons.c.id).where(persons.c.pin == wanted.pin)
        query = query.where(acts.c.person_id == whose.scalar_subquery())
    if wanted.act:
        query = query.where(acts.c.act == wanted.act)
    if wanted.participant_id is not None:
        query = query.where(acts.c.participant_id == wanted.participant_id)
    if wanted.day is not None:
        begins, ends = wanted.day, wanted.day + timedelta(days=1)
        query = query.where(
            acts.c.at >= moment_of(midnight_us(begins)), acts.c.at < moment_of(midnight_us(ends))
        )
    if before is not None:
        query = query.where(_is_before(before))
    return list(map(Found._make, db.execute(query.order_by(*_NEWEST).limit(at_most))))


class Opening(NamedTuple):
    """An officer's look at a participant's papers, without the officer's personal number."""

    id: int
    at: datetime
    path: str
    name: str
    duty: str


def openings_of(
    db: sa.Connection,
    participant_id: int,
    applications: Sequence[int],
    before: Place | None = None,
    at_most: int = PAGE,
) -> list[Opening]:
    """What officers opened of a participant, and of the applications it was registered by."""
    # Papers of an application were opened before there was a participant.
    paths = [
        f"/desk/applications/{number}{part}"
        for number in applications
        for part in ("", *(f"/documents/{one}" for one in range(1, DOCUMENTS_MAX + 1)))
    ]
    served = (
        (officers.c.pin == persons.c.pin)
        & (officers.c.added_at <= acts.c.at)
        & (officers.c.ended_at.is_(None) | (officers.c.ended_at > acts.c.at))
    )
    query = (
        sa.select(acts.c.id, acts.c.at, acts.c.subject, officers.c.name, officers.c.duty)
        .join_from(acts, persons, persons.c.id == acts.c.person_id)
        .join(officers, served)
        .where(acts.c.act == "view", acts.c.outcome == "done")
    )
    if before is not None:
        query = query.where(_is_before(before))
    # Each by its own index.
    both = (acts.c.participant_id == participant_id, acts.c.subject.in_(paths))
    found = {
        Opening(*row)
        for where in both
        for row in db.execute(query.where(where).order_by(*_NEWEST).limit(at_most))
    }
    return sorted(found, key=place_of, reverse=True)[:at_most]


def place_of(line: Found | Opening) -> Place:
    """Return where the page after this line begins."""
    return Place(us_of(line.at), line.id)


def _is_before(place: Place) -> sa.ColumnElement[bool]:
    return sa.tuple_(acts.c.at, acts.c.id) < sa.tuple_(moment_of(place.at_us), place.id)
