"""Participants that mine from one address: who with whom, on how many days.

Who has a tax number or a registered site in common mines from one place by right, and does not
count. Where very many share an address nobody is looked at by pairs.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from ipaddress import ip_network
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.inspections.tables import participant_addresses
from kench.pool.door_settings import Network
from kench.pool.register import participants

CROWD_MAX = 32
"""Beyond so many behind an address on a day it is not asked who of them belong together."""
SHOWN_MAX = 50
"""Addresses of a participant that are shown, and others at each."""

Akin = Callable[[int, int], bool]
"""Whether two participants have a reason to be in one place."""


class Crowd(NamedTuple):
    """Several participants behind one address on a day."""

    day: date
    address: str
    participants: list[int]


class Shared(NamedTuple):
    """How much a participant shares addresses with those that it has nothing to do with."""

    days: int = 0
    others: int = 0


class Neighbour(NamedTuple):
    """Another participant at an address."""

    participant_id: int
    name: str
    days: int
    is_akin: bool


class Origin(NamedTuple):
    """An address of a participant."""

    address: str
    days: int
    neighbours: list[Neighbour]


class Origins(NamedTuple):
    """What is kept of where a participant mined from."""

    addresses: list[Origin]
    had_more: bool
    """On some day it had others beside."""


CROWDS = sa.text("""
    SELECT day, address, array_agg(participant_id) AS participants
    FROM participant_addresses, unnest(addresses) AS address
    WHERE day >= :since AND day < :until
    GROUP BY day, address HAVING count(*) > 1
""")
CROWDS_WITH = sa.text("""
    SELECT day, address, array_agg(participant_id) AS participants
    FROM participant_addresses, unnest(addresses) AS address
    WHERE day >= :since AND day < :until AND address = ANY(CAST(:mine AS text[]))
        AND addresses && CAST(:mine AS text[])
    GROUP BY day, address
""")
_KIN = sa.text("""
    SELECT participant_id, content -> 'applicant' ->> 'tax_number' AS tax_number,
        ARRAY(SELECT one ->> 'site' FROM jsonb_array_elements(content -> 'equipment') AS one)
            AS sites
    FROM register_words JOIN register_entries USING (participant_id, version)
    WHERE participant_id = ANY(CAST(:ids AS integer[]))
""")


def read_shared(
    db: sa.Connection, since: date, until: date, networks: Sequence[Network], only: int = 0
) -> dict[int, Shared]:
    """Return who shares how much in these days, by participant; of all, or of one alone."""
    found = _crowds_with(db, since, until, only) if only else _crowds(db, since, until)
    common = {one for one in {crowd.address for crowd in found} if _is_common(one, networks)}
    crowds = [
        crowd for crowd in found if len(crowd.participants) > 1 and crowd.address not in common
    ]
    return shared_in(crowds, read_akin(db, crowds))


def shared_in(crowds: Iterable[Crowd], is_akin: Akin) -> dict[int, Shared]:
    """Count days and others of each; days of one address or another count once."""
    days: dict[int, set[date]] = {}
    others: dict[int, set[int]] = {}
    largest: dict[int, int] = {}
    for crowd in crowds:
        is_large = len(crowd.participants) > CROWD_MAX
        for one in crowd.participants:
            if is_large:
                largest[one] = max(largest.get(one, 0), len(crowd.participants) - 1)
                strangers = set()
            else:
                strangers = {
                    other
                    for other in crowd.participants
                    if other != one and not is_akin(one, other)
                }
            if is_large or strangers:
                days.setdefault(one, set()).add(crowd.day)
                others.setdefault(one, set()).update(strangers)
    return {one: Shared(len(days[one]), max(len(others[one]), largest.get(one, 0))) for one in days}


def read_origins(db: sa.Connection, participant_id: int, since: date, until: date) -> Origins:
    """Return a participant's addresses, those with most others first."""
    row = participant_addresses.c
    had_more = db.scalar(
        sa.select(sa.func.bool_or(row.more)).where(
            row.participant_id == participant_id, row.day >= since, row.day < until
        )
    )
    crowds = _crowds_with(db, since, until, participant_id)
    is_akin = read_akin(db, crowds)
    met: dict[str, dict[int, int]] = {}
    for crowd in crowds:
        if participant_id in crowd.participants:
            at = met.setdefault(crowd.address, {})
            for one in crowd.participants:
                at[one] = at.get(one, 0) + 1
    ids = sorted({one for at in met.values() for one in at})
    names = dict(
        db.execute(
            sa.select(participants.c.id, participants.c.name).where(participants.c.id.in_(ids))
        ).all()
    )
    origins = [
        Origin(
            address,
            at[participant_id],
            [
                Neighbour(one, names.get(one, ""), days, is_akin(participant_id, one))
                for one, days in sorted(at.items(), key=lambda item: (-item[1], item[0]))
                if one != participant_id
            ][:SHOWN_MAX],
        )
        for address, at in met.items()
    ]
    origins.sort(key=lambda one: (-len(one.neighbours), -one.days, one.address))
    return Origins(origins[:SHOWN_MAX], bool(had_more))


def read_akin(db: sa.Connection, crowds: Iterable[Crowd]) -> Akin:
    """Return who of these belong together, by the register as it is now."""
    ids = sorted(
        {
            one
            for crowd in crowds
            if len(crowd.participants) <= CROWD_MAX
            for one in crowd.participants
        }
    )
    marks: dict[int, frozenset[str]] = {}
    for row in db.execute(_KIN, {"ids": ids}) if ids else ():
        sites = {"site " + " ".join(site.casefold().split()) for site in row.sites if site}
        marks[row.participant_id] = frozenset({f"tax number {row.tax_number}", *sites})
    nothing: frozenset[str] = frozenset()
    return lambda one, other: not marks.get(one, nothing).isdisjoint(marks.get(other, nothing))


def _crowds(db: sa.Connection, since: date, until: date) -> list[Crowd]:
    rows = db.execute(CROWDS, {"since": since, "until": until})
    return [Crowd(*row) for row in rows]


def _crowds_with(db: sa.Connection, since: date, until: date, participant_id: int) -> list[Crowd]:
    """Everybody who was at one of a participant's addresses, on any of the days."""
    row = participant_addresses.c
    mine = sa.select(row.addresses).where(
        row.participant_id == participant_id, row.day >= since, row.day < until
    )
    addresses = sorted({one for (some,) in db.execute(mine) for one in some})
    if not addresses:
        return []
    asked = {"since": since, "until": until, "mine": addresses}
    return [Crowd(*row) for row in db.execute(CROWDS_WITH, asked)]


def _is_common(address: str, networks: Sequence[Network]) -> bool:
    found = ip_network(address) if networks else None
    return found is not None and any(
        found.version == one.version and found.subnet_of(one)  # type: ignore[arg-type]
        for one in networks
    )
