"""From which addresses participants mine, day by day: noticed by fronts, kept in PostgreSQL.

A front notices a session when its work is counted, every few seconds, and tells each address of a
participant once a day of UTC. Addresses that say nothing of a place are not told at all.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from kench.pool.clock import Clock
from kench.pool.door_settings import Network

if TYPE_CHECKING:
    from kench.stratum.connection import Connection

# Of a participant on a day; one more is noticed, and kept as "more".
ADDRESSES_MAX = 16
# Addresses of participants that a front knows of a day, and what is told at once.
NOTICED_MAX, TOLD_MAX = 1 << 17, 1024
# Of those, what may wait in the job maker for PostgreSQL, and what one statement writes.
WAITING_MAX, ROWS_EACH = 1 << 18, 10_000
DAY_US = 86_400_000_000
# An operator's gate from IPv6 to IPv4 (RFC 6052): all of its customers are one /64.
_GATE = IPv6Network("64:ff9b::/96")

_TOLD = msgspec.json.Decoder(list[tuple[int, int, str]])
_ADD = sa.text("""
    INSERT INTO participant_addresses AS kept (participant_id, day, addresses, more)
    SELECT participant_id, date '1970-01-01' + day, (array_agg(address))[\\:16], count(*) > 16
    FROM unnest(CAST(:participants AS integer[]), CAST(:days AS integer[]),
                CAST(:addresses AS text[])) AS added (participant_id, day, address)
    GROUP BY participant_id, day ORDER BY participant_id, day
    ON CONFLICT (participant_id, day) DO UPDATE SET (addresses, more) = (
        SELECT (array_agg(address ORDER BY place))[\\:16],
            kept.more OR excluded.more OR count(*) > 16
        FROM (
            SELECT address, min(place) AS place
            FROM unnest(kept.addresses || excluded.addresses) WITH ORDINALITY
                AS one (address, place)
            GROUP BY address
        ) AS all_of_it
    )
""")
_FORGET = sa.text("SELECT forget_participant_addresses(:kept_d)")


def place_of(address: str, shared: Iterable[Network]) -> str | None:
    """Return what is kept of an address: IPv4 whole, of IPv6 the /64 that a site has.

    None where it says nothing of a place: private ones, and those that many are known to share.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if not found.is_global or any(found in network for network in shared):
        return None
    if isinstance(found, IPv4Address):
        return str(found)
    return None if found in _GATE else str(IPv6Network((found, 64), strict=False))


class OriginTeller:
    """A front's side: notices what is new of a day; on the loop alone."""

    def __init__(self, clock: Clock, shared: tuple[Network, ...]) -> None:
        self._clock = clock
        self._shared = shared
        self._day = 0
        self._known: dict[int, set[str]] = {}
        self._count = 0
        self._new: list[tuple[int, int, str]] = []

    def look_at(self, connection: "Connection") -> None:
        """Take note of a session that has worked, once a day and when it has other workers."""
        day = self._clock.now_us() // DAY_US
        names = connection.session.gate.names
        if connection.told_origin == (day, names):
            return
        connection.told_origin = day, names
        if day != self._day:
            self._day, self._count = day, 0
            self._known.clear()
        place = place_of(connection.peer, self._shared)
        if place is not None:
            for participant in {one.participant for one in connection.session.admitted.values()}:
                self._note(participant, place)

    def _note(self, participant: int, place: str) -> None:
        known = self._known.setdefault(participant, set())
        if place in known or len(known) > ADDRESSES_MAX or self._count >= NOTICED_MAX:
            return
        known.add(place)
        self._count += 1
        self._new.append((participant, self._day, place))

    def begin_anew(self, connections: Iterable["Connection"]) -> None:
        """Forget that anything was told: who heard it is gone."""
        self._day = 0
        self._new.clear()
        for connection in connections:
            connection.told_origin = 0, 0

    def take(self) -> bytes:
        """Return some of what is to be told, for the feed; nothing if there is nothing."""
        some, self._new = self._new[:TOLD_MAX], self._new[TOLD_MAX:]
        return msgspec.json.encode(some) if some else b""


class OriginBook:
    """The job maker's side: what was heard and waits for PostgreSQL; in one thread."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int, str], None] = {}

    def take(self, body: bytes) -> None:
        """Take what a front tells; raises ValueError where that is none of it."""
        try:
            told = _TOLD.decode(body)
        except msgspec.MsgspecError as broken:
            raise ValueError(f"addresses of participants cannot be read: {broken}") from broken
        for one in told:
            if len(self._waiting) < WAITING_MAX:
                self._waiting[one] = None

    def write(self, engine: sa.Engine) -> None:
        """Write what waits, some in a transaction; nothing is lost where that fails."""
        while some := sorted(self._waiting)[:ROWS_EACH]:
            asked: dict[str, Any] = {
                "participants": [one for one, _, _ in some],
                "days": [day for _, day, _ in some],
                "addresses": [place for _, _, place in some],
            }
            with engine.begin() as connection:
                connection.execute(_ADD, asked)
            for one in some:
                del self._waiting[one]


def forget_old(connection: sa.Connection, kept_d: int) -> int:
    """Forget addresses of days that are over for longer; return how many rows went."""
    return int(connection.execute(_FORGET, {"kept_d": kept_d}).scalar_one())
