"""Roles of officers: what each may do at the desk, since when and until when.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.moments import moment_of
from kench.pool.orders.officers import OfficerError, in_service
from kench.pool.orders.tables import officer_roles


class OfficerRole(StrEnum):
    """A duty at the desk; an officer has any number of them."""

    REGISTRAR = "registrar"
    """Applications, notices, the participants' register."""
    INSPECTOR = "inspector"
    """Inspections, and reading of participants."""
    FINANCE = "finance"
    """Orders, lots, income, reports."""
    SECURITY = "security"
    """The trail, AML cases, who has which role."""
    HEAD = "head"
    """Countersigns, and sees all rooms."""


class RoleLine(NamedTuple):
    """A role that an officer has or had."""

    officer_id: int
    role: OfficerRole
    from_at: datetime
    until_at: datetime | None


def roles_of(connection: sa.Connection, officer_id: int) -> frozenset[OfficerRole]:
    """The roles that an officer has now; none where the service ended."""
    rows = connection.scalars(
        sa.select(officer_roles.c.role).where(
            officer_roles.c.officer_id == officer_id, officer_roles.c.until_at.is_(None)
        )
    )
    return frozenset(OfficerRole(role) for role in rows)


def roles_of_pin(connection: sa.Connection, pin: str) -> frozenset[OfficerRole]:
    """The roles of whoever has that personal number; none for who is no officer in service."""
    officer = in_service(connection, pin)
    return roles_of(connection, officer.id) if officer else frozenset()


def grant_role(connection: sa.Connection, pin: str, role: OfficerRole, now_us: int) -> None:
    """Give an officer in service a role from now on. Raises OfficerError."""
    officer_id = _serving(connection, pin)
    if role in roles_of(connection, officer_id):
        raise OfficerError(f"officer {pin} is {role} already")
    connection.execute(
        sa.insert(officer_roles).values(officer_id=officer_id, role=role, from_at=moment_of(now_us))
    )


def end_role(connection: sa.Connection, pin: str, role: OfficerRole, now_us: int) -> None:
    """End a role of an officer in service; what was done in it stays. Raises OfficerError."""
    officer_id = _serving(connection, pin)
    ended = connection.execute(
        sa.update(officer_roles)
        .where(
            officer_roles.c.officer_id == officer_id,
            officer_roles.c.role == role,
            officer_roles.c.until_at.is_(None),
        )
        .values(until_at=moment_of(now_us))
    )
    if not ended.rowcount:
        raise OfficerError(f"officer {pin} is not {role}: `kench officer list` shows all roles")


def role_lines(connection: sa.Connection) -> list[RoleLine]:
    """Every role that was ever given, by officer and time."""
    rows = connection.execute(
        sa.select(officer_roles).order_by(officer_roles.c.officer_id, officer_roles.c.from_at)
    )
    return [RoleLine(one.officer_id, OfficerRole(one.role), *one[2:]) for one in rows]


def names_of(roles: Iterable[OfficerRole]) -> str:
    """Roles in their usual order, for people at a terminal."""
    return ", ".join(role for role in OfficerRole if role in set(roles)) or "-"


def _serving(connection: sa.Connection, pin: str) -> int:
    officer = in_service(connection, pin)
    if officer is None:
        raise OfficerError(f"no officer {pin} is in service: `kench officer list` shows all")
    return officer.id
