"""What a browser and an address may ask for: entries, and signatures that turn out wrong.

Counts are kept for who asks, never for who is named: nobody can lock another person out. Where many
share an address, a browser by which somebody has entered before has an allowance of its own, so
that a neighbour cannot use it up. The counts are PostgreSQL's: several cabinets have one.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from kench.cabinet.signing.requests import browser_digest
from kench.pool.moments import moment_of

KEPT_US = 3600 * 1_000_000
"""Every count has run down to nothing long before."""
FORGET_AT_ONCE = 1000


class Asked(StrEnum):
    """What is counted."""

    ENTRY = "entry"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many at once, and one more each so many seconds."""

    at_once: int
    each_s: float


_COUNT = sa.text("""
    INSERT INTO allowances AS held (asked, subject_sha256, level, at)
    VALUES (:asked, :subject, 1, :now)
    ON CONFLICT (asked, subject_sha256) DO UPDATE
    SET at = greatest(held.at, :now), level = 1 + greatest(0, held.level
        - greatest(0, extract(epoch FROM :now - held.at)) / :each_s)
    WHERE 1 + greatest(0, held.level
        - greatest(0, extract(epoch FROM :now - held.at)) / :each_s) <= :at_once
    RETURNING level
""")
_TAKE_BACK = sa.text("""
    UPDATE allowances SET level = greatest(0, level - 1)
    WHERE (asked, subject_sha256) = (:asked, :subject)
""")
_FORGET = sa.text("""
    DELETE FROM allowances WHERE (asked, subject_sha256) IN (
        SELECT asked, subject_sha256 FROM allowances WHERE at < :before
        ORDER BY at LIMIT :at_most FOR UPDATE SKIP LOCKED)
""")
BROWSER = {Asked.ENTRY: Allowance(10, 30.0), Asked.WRONG: Allowance(8, 60.0)}
ADDRESS = {Asked.ENTRY: Allowance(60, 2.0), Asked.WRONG: Allowance(30, 10.0)}


def admits(  # noqa: PLR0913 - who asks, for what
    db: sa.Connection, asked: Asked, *, browser: bytes, address: str, known: bool, now_us: int
) -> bool:
    """Whether one more is allowed now; counts it if so, in the caller's transaction.

    `known` is a browser by which somebody has entered before: its address does not matter.
    """
    counted: list[bytes] = []
    for subject, allowance in _subjects(asked, browser, address, known=known):
        values = {"asked": asked.value, "subject": subject, "now": moment_of(now_us)}
        bounds = {"at_once": allowance.at_once, "each_s": allowance.each_s}
        if db.execute(_COUNT, values | bounds).scalar_one_or_none() is None:
            _take_back(db, asked, counted)
            return False
        counted.append(subject)
    return True


def give_back(
    db: sa.Connection, asked: Asked, *, browser: bytes, address: str, known: bool
) -> None:
    """Take back what was counted last: it was not wrong."""
    subjects = _subjects(asked, browser, address, known=known)
    _take_back(db, asked, [subject for subject, _ in subjects])


def forget_allowances(db: sa.Connection, now_us: int, at_most: int = FORGET_AT_ONCE) -> int:
    """Delete counts that have run down since long; return how many."""
    return db.execute(_FORGET, {"before": moment_of(now_us - KEPT_US), "at_most": at_most}).rowcount


def _take_back(db: sa.Connection, asked: Asked, subjects: Sequence[bytes]) -> None:
    for subject in subjects:
        db.execute(_TAKE_BACK, {"asked": asked.value, "subject": subject})


def _subjects(
    asked: Asked, browser: bytes, address: str, *, known: bool
) -> list[tuple[bytes, Allowance]]:
    """Return who is counted: always the browser first, so that no two wait for each other."""
    subjects = [(browser_digest(browser), BROWSER[asked])]
    if not known:
        digest = hashlib.sha256(b"address\0" + network_of(address).encode()).digest()
        subjects.append((digest, ADDRESS[asked]))
    return subjects


def network_of(address: str) -> str:
    """Return whom an address stands for: itself, or an IPv6 /64, which one line has whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
