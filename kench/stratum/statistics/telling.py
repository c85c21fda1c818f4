"""A front's side of the sessions' facts: what changed since it was told, a little at a time."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kench.pool.clock import Clock
from kench.stratum.statistics.sessions import SessionFacts, encode

if TYPE_CHECKING:
    from kench.stratum.connection import Connection

# Bytes told at once: some thousand sessions, and about a millisecond of the loop.
TOLD_BYTES_MAX = 64 * 1024


class SessionTeller:
    """Notices sessions whose facts differ from what the job maker was told; on the loop alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed: dict[int, SessionFacts] = {}

    def look_at(self, connection: "Connection", now: float) -> None:
        """Take note of a working session, if anything about it is new."""
        session = connection.session
        difficulty, names = session.difficulty.in_force, session.gate.names
        if (difficulty, names) == (connection.told_difficulty, connection.told_names):
            return
        connection.told_difficulty, connection.told_names = difficulty, names
        number = _number(connection)
        since_us = self._clock.now_us() - round((now - connection.since) * 1e6)
        owners = tuple(session.gate.owners())
        self._changed[number] = SessionFacts(
            number, since_us, difficulty, session.user_agent, owners
        )

    def ended(self, connection: "Connection") -> None:
        """Take note of the end of a session that was told."""
        if connection.told_names:
            number = _number(connection)
            self._changed[number] = SessionFacts(number, 0, 0.0, "", ())

    def begin_anew(self, connections: Iterable["Connection"]) -> None:
        """Forget that anything was told: who heard it is gone."""
        self._changed.clear()
        for connection in connections:
            connection.told_names = 0
            connection.told_difficulty = 0.0

    def take(self) -> bytes:
        """Return some of what is to be told, for the feed; nothing if there is nothing."""
        told = bytearray()
        while self._changed and len(told) < TOLD_BYTES_MAX:
            number = next(iter(self._changed))
            told += encode((self._changed.pop(number),))
        return bytes(told)


def _number(connection: "Connection") -> int:
    return int.from_bytes(connection.session.extranonce1, "little")
