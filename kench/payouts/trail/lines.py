"""A line of the trail as its seal covers it, and the chain's hash; anybody can compute both.

    hash = SHA-256("kench trail 1\\n" + previous hash in hex + "\\n" + line)

The line is canonical JSON (UTF-8, keys sorted, no blanks) with its number in the chain. The first
line follows sixty-four zeros.
"""

import hashlib
from datetime import UTC
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts.proofs.canonical import encode
from kench.payouts.trail.tables import acts, persons

HEAD = b"kench trail 1\n"
FIRST = bytes(32)
"""What the first line follows."""
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"

COLUMNS = (
    acts.c.id, acts.c.at, acts.c.act, acts.c.outcome, acts.c.subject, acts.c.detail,
    acts.c.address, acts.c.login_id, acts.c.participant_id,
    sa.select(persons.c.pin).where(persons.c.id == acts.c.person_id).scalar_subquery().label("pin"),
)  # fmt: skip
"""What a line is made of; `at` in UTC."""


class Head(NamedTuple):
    """How far the chain goes: its last number, and that line's hash."""

    number: int = 0
    hash: bytes = FIRST


START = Head()


def line_of(row: Any, number: int) -> bytes:
    """Return the line of a row of COLUMNS."""
    at = row.at.astimezone(UTC)
    return encode(
        {
            "act": row.act,
            "address": row.address,
            "at": at.strftime(MOMENT),
            "detail": row.detail,
            "id": row.id,
            "login": row.login_id,
            "number": number,
            "outcome": row.outcome,
            "participant": row.participant_id,
            "person": row.pin,
            "subject": row.subject,
        }
    )


def hash_of(previous: bytes, line: bytes) -> bytes:
    """Return the hash of a line that follows another's."""
    return hashlib.sha256(b"%b%b\n%b" % (HEAD, previous.hex().encode(), line)).digest()
