"""Who comes with a secret: let in, unknown, or too often."""

from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.access.grants import Grant, Kind, find_grant, secret_digest
from kench.cabinet.access.meter import USES, WRONG, Meter, Reading
from kench.cabinet.login.guard import network_of
from kench.pool.clock import Clock


class Refusal(StrEnum):
    """Why nobody was let in."""

    UNKNOWN = "unknown"
    TOO_MANY = "too_many"


class Admitted(NamedTuple):
    """The grant, and how much of its allowance is left."""

    grant: Grant
    reading: Reading


class Refused(NamedTuple):
    """Why not, and of a known grant how much is left."""

    refusal: Refusal
    reading: Reading | None = None


class Admission:
    """Counts and looks up; for any thread but the event loop's."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        """Create it with nobody known."""
        self._engine = engine
        self._clock = clock
        self._uses = Meter(USES)
        self._wrong = Meter(WRONG)

    def admit(self, kind: Kind, secret: str, address: str) -> Admitted | Refused:
        """Look the secret up, unless it, or wrong ones of this address, came too often."""
        digest, whose = secret_digest(kind, secret), network_of(address)
        now_s = self._clock.monotonic()
        reading = self._uses.count(digest, now_s) if self._uses.knows(digest) else None
        # What was good before is counted by itself, whatever else comes from its address.
        held = reading or self._wrong.read(whose, now_s)
        if not held.admitted:
            return Refused(Refusal.TOO_MANY, held)
        with self._engine.begin() as db:
            grant = find_grant(db, kind, digest, self._clock.now_us())
        if grant is None:
            if reading is None:
                self._wrong.count(whose, now_s)
            return Refused(Refusal.UNKNOWN)
        return Admitted(grant, reading or self._uses.count(digest, now_s))
