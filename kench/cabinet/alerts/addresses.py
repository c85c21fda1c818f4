"""Addresses of e-mail: nothing goes to one but a link, until its owner has said yes.

An address is confirmed for the person who asked for letters to it: nobody else can have them sent
there. Every function takes a connection that is in a transaction and leaves the commit to its
caller.
"""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.alerts.news import Event
from kench.cabinet.alerts.outbox import queue_letter
from kench.cabinet.alerts.tables import alert_messages, mail_addresses, mail_links
from kench.cabinet.alerts.targets import is_email
from kench.cabinet.alerts.wording import confirmation_message
from kench.cabinet.words.languages import Language
from kench.pool.moments import moment_of

SECRET_BYTES = 32
LINK_US, DAY_US = 86_400_000_000, 86_400_000_000
"""A link lives for a day from its sending."""
PERSON_MAX, ADDRESS_MAX = 5, 3
"""Links that one person may ask for in a day, and that go to one address, whoever asks."""
FORGET_AT_ONCE = 1000
_LOCK = 0x6D61696C
"""First key of the advisory lock of a person's addresses ("mail")."""


class Asked(StrEnum):
    """What came of asking an address."""

    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    TOO_MANY = "too_many"
    UNFIT = "unfit"


class AddressState(StrEnum):
    """Whether letters go there."""

    CONFIRMED = "confirmed"
    ASKED = "asked"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Link(NamedTuple):
    """One that was sent and is good still."""

    id: int
    address_id: int
    address: str


def ask_address(
    db: sa.Connection, person_id: int, address: str, language: Language, now_us: int
) -> Asked:
    """Have a link sent to an address that a person wants letters at, if none may go there yet."""
    if not is_email(address):
        return Asked.UNFIT
    low = sa.func.lower(address)
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, person_id)))
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(low))))
    added = insert(mail_addresses).values(
        person_id=person_id, address=address, language=language, added_at=moment_of(now_us)
    )
    db.execute(added.on_conflict_do_nothing())
    state = state_of_address(db, person_id, address)
    if state in {AddressState.CONFIRMED, AddressState.REFUSED}:
        return Asked(state.value)
    if (
        _links_since(db, mail_addresses.c.person_id == person_id, now_us) >= PERSON_MAX
        or _links_since(db, sa.func.lower(mail_addresses.c.address) == low, now_us) >= ADDRESS_MAX
    ):
        return Asked.TOO_MANY
    number = db.execute(sa.select(mail_addresses.c.id).where(_is(person_id, address))).scalar_one()
    queue_letter(db, number, Event.CONFIRM, confirmation_message(language), now_us=now_us)
    return Asked.SENT


def state_of_address(db: sa.Connection, person_id: int, address: str) -> AddressState:
    """Whether letters that a person asks for go to an address."""
    row = db.execute(
        sa.select(mail_addresses.c.confirmed_at, mail_addresses.c.refused_at).where(
            _is(person_id, address)
        )
    ).one_or_none()
    if row is None:
        return AddressState.UNKNOWN
    if row.refused_at is not None:
        return AddressState.REFUSED
    return AddressState.ASKED if row.confirmed_at is None else AddressState.CONFIRMED


def make_link(
    db: sa.Connection, address_id: int, now_us: int, random_bytes: Callable[[int], bytes]
) -> str:
    """Make a link's secret, to be sent now and kept nowhere."""
    secret = random_bytes(SECRET_BYTES).hex()
    db.execute(
        sa.insert(mail_links).values(
            address_id=address_id,
            secret_sha256=_digest(secret),
            expires_at=moment_of(now_us + LINK_US),
        )
    )
    return secret


def find_link(db: sa.Connection, secret: str, now_us: int) -> Link | None:
    """The link of that secret, if it is good."""
    row = db.execute(
        sa.select(mail_links.c.id, mail_links.c.address_id, mail_addresses.c.address)
        .join_from(mail_links, mail_addresses, mail_links.c.address_id == mail_addresses.c.id)
        .where(
            mail_links.c.secret_sha256 == _digest(secret),
            mail_links.c.used_at.is_(None),
            mail_links.c.expires_at > moment_of(now_us),
        )
        .with_for_update(of=mail_links)
    ).one_or_none()
    return Link(*row) if row else None


def use_link(db: sa.Connection, link: Link, now_us: int, *, wanted: bool) -> None:
    """Keep what the owner of an address says: letters, or none."""
    now = moment_of(now_us)
    db.execute(sa.update(mail_links).where(mail_links.c.id == link.id).values(used_at=now))
    said = {"confirmed_at": now, "refused_at": None} if wanted else {"refused_at": now}
    db.execute(
        sa.update(mail_addresses).where(mail_addresses.c.id == link.address_id).values(**said)
    )
    if not wanted:
        db.execute(
            sa.update(alert_messages)
            .where(alert_messages.c.address_id == link.address_id)
            .where(alert_messages.c.state == "waiting")
            .values(state="failed", fault="the address wants no letters")
        )


def forget_links(db: sa.Connection, now_us: int) -> int:
    """Delete a bounded number of links that are over; return how many."""
    over = sa.select(mail_links.c.id).where(mail_links.c.expires_at < moment_of(now_us))
    over = over.order_by(mail_links.c.expires_at).limit(FORGET_AT_ONCE)
    return db.execute(sa.delete(mail_links).where(mail_links.c.id.in_(over.scalar_subquery()))
                      ).rowcount  # fmt: skip


def _is(person_id: int, address: str) -> sa.ColumnElement[bool]:
    return (mail_addresses.c.person_id == person_id) & (mail_addresses.c.address == address)


def _links_since(db: sa.Connection, which: sa.ColumnElement[bool], now_us: int) -> int:
    asked = (
        sa.select(sa.func.count())
        .select_from(mail_addresses)
        .join(alert_messages, alert_messages.c.address_id == mail_addresses.c.id)
        .where(
            which,
            alert_messages.c.event == Event.CONFIRM,
            alert_messages.c.queued_at > moment_of(now_us - DAY_US),
        )
    )
    return db.scalar(asked) or 0


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
