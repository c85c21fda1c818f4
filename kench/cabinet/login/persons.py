"""Persons: who has ever entered or signed, known by personal number (ПИН).

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.login.tables import persons
from kench.pool.moments import moment_of

NAME_MAX = 200


class Person(NamedTuple):
    """A natural person; the name is as the newest certificate has it."""

    id: int
    pin: str
    name: str


def know_person(db: sa.Connection, pin: str, name: str, now_us: int) -> Person:
    """Return the person of that number, entered anew or named as now."""
    db.execute(
        insert(persons)
        .values(pin=pin, name=name, first_at=moment_of(now_us))
        .on_conflict_do_update(
            index_elements=["pin"], set_={"name": name}, where=persons.c.name != name
        )
    )
    found = find_person(db, pin)
    if found is None:
        raise AssertionError("a person who was entered is not there")
    return found


def find_person(db: sa.Connection, pin: str) -> Person | None:
    """The person of that number, if there was an entry or a signature."""
    row = db.execute(
        sa.select(persons.c.id, persons.c.pin, persons.c.name).where(persons.c.pin == pin)
    ).one_or_none()
    return Person(*row) if row else None
