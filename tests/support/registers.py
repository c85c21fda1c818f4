"""Orders for tests in a real database: proposed, signed by two officers, accepted, all checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import canonical
from kench.pool.orders.officer_roles import OfficerRole, grant_role
from kench.pool.orders.officers import add_officer, in_service
from kench.pool.orders.register import load_orders, propose, sign
from kench.pool.signature.cms import CmsVerifier
from tests.support.orders import DEMO_RULES, MOMENT_US, content_of
from tests.support.pki import PIN, SECOND_PIN, Authority, Person, pem

HOUR_US = 3_600_000_000
ACCEPTED_US = MOMENT_US - HOUR_US
DAYS = (-365, 3650)
"""Around 2026-01-01: what is signed at ACCEPTED_US and today is good."""


@cache
def authority() -> Authority:
    """The authority that the tests' orders are signed under."""
    return Authority("Orders Root")


@cache
def officers() -> tuple[Person, Person]:
    """Two persons with certificates of it."""
    return authority().person(PIN, days=DAYS), authority().person(SECOND_PIN, days=DAYS)


@cache
def verifier() -> CmsVerifier:
    """What trusts it."""
    return authority().verifier(authority().crl(days=DAYS))


def trust_settings(folder: Path) -> dict[str, str]:
    """Variables by which a process trusts it; its files are written into `folder`."""
    root, crl = folder / "root.pem", folder / "crl.pem"
    root.write_bytes(pem(authority().certificate))
    crl.write_bytes(pem(authority().crl(days=DAYS)))
    return {"KENCH_SIGNATURE_ROOTS": str(root), "KENCH_SIGNATURE_CRLS": str(crl)}


def accept_orders(
    where: sa.Engine | sa.Connection,
    *orders: tuple[int, dict[str, Any]],
    at_us: int = ACCEPTED_US,
    tip_height: int = 0,
    moment_us: int = MOMENT_US,
) -> OrderBook:
    """Enter one order for each pair of an effective height and rules (none: (1, DEMO_RULES)).

    Two officers are entered where there are none. Returns the book as it is loaded then.
    """
    if isinstance(where, sa.Engine):
        with where.begin() as connection:
            return accept_orders(
                connection, *orders, at_us=at_us, tip_height=tip_height, moment_us=moment_us
            )
    add_officers(where, at_us)
    book = load_orders(where, verifier())
    for number, (height, rules) in enumerate(orders or ((1, DEMO_RULES),), start=book.newest + 1):
        content = canonical(content_of(number, rules, height=height, moment_us=moment_us))
        propose(where, verifier(), content, tip_height=tip_height, now_us=at_us)
        for officer in officers():
            signature = officer.sign(content)
            sign(where, verifier(), number, signature, tip_height=tip_height, now_us=at_us)
    return load_orders(where, verifier(), book)


@contextmanager
def unguarded(engine: sa.Engine) -> Iterator[sa.Connection]:
    """The database as its owner can have it: without its triggers."""
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        yield connection


def add_officers(connection: sa.Connection, at_us: int = ACCEPTED_US) -> None:
    """Enter the two officers."""
    for pin, name in ((PIN, "Асан Усенов"), (SECOND_PIN, "Гүлнара Эсенова")):
        if in_service(connection, pin) is None:
            add_officer(connection, pin, name, "authorised body", at_us - HOUR_US)
            for role in OfficerRole:
                grant_role(connection, pin, role, at_us - HOUR_US)
