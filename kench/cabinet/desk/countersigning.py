"""Acts that need two officers: each signs the same data, and the second signature carries it out.

The data is what both signed in whichever language: a structure by its data line, a document by its
very bytes. A signature counts as long as who gave it is in service and has a role for it.
Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from kench.cabinet.desk.tables import countersignatures as table
from kench.cabinet.login.persons import Person
from kench.cabinet.login.tables import persons
from kench.cabinet.registration.bodies import data_line
from kench.cabinet.registration.officers import check_officer
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of, us_of
from kench.pool.orders.officer_roles import OfficerRole, roles_of, roles_of_pin
from kench.pool.orders.officers import in_service

WAITING_MAX = 200
"""Pairs of a kind that are listed: the newest, as what became void long ago stays for ever."""
_LOCK = 0x70616972
"""First key of the advisory lock of a pair ("pair"); the second is a hash of what it is about."""


class PairKind(StrEnum):
    """What two officers do."""

    ORDER = "order"
    LOT = "lot"
    PERIOD = "period"
    REOPENING = "reopening"


class Pair(NamedTuple):
    """One of the two has a role of the first set, the other one of the second."""

    one: frozenset[OfficerRole]
    other: frozenset[OfficerRole]

    @property
    def roles(self) -> frozenset[OfficerRole]:
        """Who may be one of the two at all."""
        return self.one | self.other

    def holds(self, first: frozenset[OfficerRole], second: frozenset[OfficerRole]) -> bool:
        """Whether two officers with these roles are such a pair."""
        return bool(
            (first & self.one and second & self.other) or (second & self.one and first & self.other)
        )


_HEAD, _FINANCE = frozenset({OfficerRole.HEAD}), frozenset({OfficerRole.FINANCE})
PAIRS: Mapping[PairKind, Pair] = MappingProxyType(
    {
        PairKind.ORDER: Pair(_HEAD, _FINANCE | _HEAD),
        PairKind.LOT: Pair(_FINANCE, _HEAD | {OfficerRole.SECURITY}),
        PairKind.PERIOD: Pair(_FINANCE, _HEAD),
        PairKind.REOPENING: Pair(_FINANCE, _HEAD),
    }
)


class WaitingPair(NamedTuple):
    """What one officer has signed and another has not yet."""

    kind: PairKind
    subject: str
    data_sha256: bytes
    act_id: int
    """The first signature."""
    person: Person
    since_us: int


class _Given(NamedTuple):
    """A signature of the same data that counts now."""

    act_id: int
    person_id: int
    roles: frozenset[OfficerRole]


def sign_pair(
    db: sa.Connection, act: SignedAct, kind: PairKind, subject: str, data: msgspec.Struct | bytes
) -> tuple[SignedAct, SignedAct] | None:
    """Keep this officer's signature; return both acts, the former first, once there are two.

    Raises ActRefusedError for somebody without a role for it, for the same person twice, for two
    whose roles make no pair, and for a pair that was complete before.
    """
    digest, pair = digest_of_data(data), PAIRS[kind]
    check_officer(db, act, pair.roles)
    mine = roles_of_pin(db, act.person.pin)
    db.execute(
        sa.select(sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(f"{kind} {subject}")))
    )
    counting = _counting(db, kind, subject, digest)
    if any(one.person_id == act.person.id for one in counting):
        raise ActRefusedError(N_("You have signed this already: another officer must."))
    first = next((one for one in counting if pair.holds(one.roles, mine)), None)
    if counting and first is None:
        raise ActRefusedError(N_("Somebody of your role has signed this: one of the other must."))
    db.execute(
        sa.insert(table).values(
            kind=kind,
            subject=subject,
            data_sha256=digest,
            person_id=act.person.id,
            act_id=act.id,
            at=moment_of(act.signed_us),
            completes=first is not None,
        )
    )
    if first is None:
        return None
    former = read_act(db, first.act_id)
    if former is None:
        raise AssertionError(f"signed act {first.act_id} is gone, and nothing deletes any")
    return former, act


def waiting_pairs(
    db: sa.Connection, kind: PairKind, subject: str | None = None
) -> list[WaitingPair]:
    """What waits for a second signature, the longest first: of each subject its newest data.

    Of one subject, if it is named. Whether it can still be signed, as a lot or an order may have
    moved on, its own part knows.
    """
    newest = (
        sa.select(table.c.kind, table.c.subject, table.c.data_sha256, table.c.completes)
        .add_columns(table.c.act_id, table.c.person_id, table.c.at)
        .where(table.c.kind == kind, sa.true() if subject is None else table.c.subject == subject)
        .ext(distinct_on(table.c.subject))
        .order_by(table.c.subject, table.c.at.desc(), table.c.act_id.desc())
        .subquery()
    )
    rows = db.execute(
        sa.select(newest, persons.c.pin, persons.c.name)
        .join_from(newest, persons, newest.c.person_id == persons.c.id)
        .where(sa.not_(newest.c.completes))
        .order_by(newest.c.at.desc(), newest.c.act_id.desc())
        .limit(WAITING_MAX)
    ).all()
    return [
        WaitingPair(
            PairKind(row.kind),
            row.subject,
            bytes(row.data_sha256),
            row.act_id,
            Person(row.person_id, row.pin, row.name),
            us_of(row.at),
        )
        for row in reversed(rows)
    ]


def digest_of_data(data: msgspec.Struct | bytes) -> bytes:
    """Return by what the same data is known, in whichever language it was shown."""
    return hashlib.sha256(data if isinstance(data, bytes) else data_line(data).encode()).digest()


def _counting(db: sa.Connection, kind: PairKind, subject: str, digest: bytes) -> list[_Given]:
    """Signatures of this data that count now, the first one first.

    Raises ActRefusedError where there was a pair already.
    """
    rows = db.execute(
        sa.select(table.c.act_id, table.c.person_id, table.c.at, table.c.completes, persons.c.pin)
        .join_from(table, persons, table.c.person_id == persons.c.id)
        .where(table.c.kind == kind, table.c.subject == subject, table.c.data_sha256 == digest)
        .order_by(table.c.at, table.c.act_id)
    ).all()
    if any(row.completes for row in rows):
        raise ActRefusedError(N_("Two officers have signed this already."))
    counting = []
    for row in rows:
        officer = in_service(db, row.pin)
        # Who left in between, and be it to come back, has not signed in this service.
        if officer is None or not officer.served_at(row.at):
            continue
        roles = roles_of(db, officer.id)
        if roles & PAIRS[kind].roles:
            counting.append(_Given(row.act_id, row.person_id, roles))
    return counting
