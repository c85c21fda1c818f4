"""Officers of the authorised body: whose signatures make an order.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.errors import KenchError
from kench.pool.moments import moment_of
from kench.pool.orders.tables import officers
from kench.pool.signature.pin import check_pin

TEXT_MAX = 200


class OfficerError(KenchError):
    """What was asked for cannot be done to this officer."""


class Officer(NamedTuple):
    """One entry; the same person may have served before, under another id."""

    id: int
    pin: str
    name: str
    duty: str
    added_at: datetime
    ended_at: datetime | None

    def served_at(self, moment: datetime) -> bool:
        """Whether the officer was in service at that moment."""
        return self.added_at <= moment and (self.ended_at is None or self.ended_at > moment)


def add_officer(connection: sa.Connection, pin: str, name: str, duty: str, now_us: int) -> int:
    """Enter an officer from now on; return the id. Raises OfficerError, InvalidPinError."""
    for what, text in (("name", name), ("duty", duty)):
        if not 1 <= len(text) <= TEXT_MAX or not text.isprintable() or text != text.strip():
            raise OfficerError(f"the {what} of an officer has 1 to {TEXT_MAX} visible characters")
    if in_service(connection, check_pin(pin)) is not None:
        raise OfficerError(f"officer {pin} is in service: `kench officer list` shows all")
    added: int = connection.execute(
        sa.insert(officers)
        .values(pin=pin, name=name, duty=duty, added_at=moment_of(now_us))
        .returning(officers.c.id)
    ).scalar_one()
    return added


def end_officer(connection: sa.Connection, pin: str, now_us: int) -> Officer:
    """End an officer's service; what was signed before stays good. Raises OfficerError."""
    officer = in_service(connection, pin)
    if officer is None:
        raise OfficerError(f"no officer {pin} is in service: `kench officer list` shows all")
    connection.execute(
        sa.update(officers).where(officers.c.id == officer.id).values(ended_at=moment_of(now_us))
    )
    return officer


def in_service(connection: sa.Connection, pin: str) -> Officer | None:
    """The officer of that personal number, if in service."""
    row = connection.execute(
        sa.select(officers).where(officers.c.pin == pin, officers.c.ended_at.is_(None))
    ).one_or_none()
    return Officer(*row) if row else None


def list_officers(connection: sa.Connection) -> list[Officer]:
    """All who ever served, by id."""
    rows = connection.execute(sa.select(officers).order_by(officers.c.id))
    return [Officer(*row) for row in rows]
