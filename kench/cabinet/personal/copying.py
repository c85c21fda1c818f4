"""A copy of all that is held of one person, as a ZIP that needs no program of ours to be read."""

import base64
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import IO, Any

import msgspec
import sqlalchemy as sa

from kench.cabinet.alerts.tables import mail_addresses
from kench.cabinet.inspections.tables import participant_addresses
from kench.cabinet.login.people import PeopleRole
from kench.cabinet.login.persons import Person
from kench.cabinet.login.tables import acts, entry_proofs, logins, participant_people
from kench.cabinet.registration import attachments as attachment_kinds
from kench.cabinet.registration.tables import applications, attachments, drafts, uploads
from kench.cabinet.reports import papers as report_papers
from kench.cabinet.signing.tables import signed_acts
from kench.pool.moments import moment_text
from kench.pool.orders.tables import officers

ROWS_MAX = 100_000
"""Of one kind; the newest. A person does not do as much in a life."""
README = """\
All that the system holds of {name}, personal number {pin}, made {moment}.

personal.json   each kind of data by its table's name
acts/N.txt      what was signed, acts/N.p7s its detached CMS signature (DER)
documents/      what was uploaded

What is held of a participant (its register, money and machines) is in its dossier and statements.
The addresses that its machines work from are here, for its owners.
"""
_SUFFIXES = attachment_kinds.SUFFIXES | report_papers.SUFFIXES
"""Of all kinds of documents that are taken anywhere."""


def write_copy(db: sa.Connection, person: Person, file: IO[bytes], now_us: int) -> None:
    """Write the ZIP; who may have it is the caller's to check."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        words = README.format(name=person.name, pin=person.pin, moment=moment_text(now_us))
        archive.writestr("README.txt", words)
        held = {name: [*_rows(db, query)] for name, query in _queries(person)}
        content = msgspec.json.encode(held, enc_hook=_plain, order="deterministic")
        archive.writestr("personal.json", msgspec.json.format(content, indent=1))
        for act in db.execute(
            sa.select(signed_acts.c.id, signed_acts.c.content, signed_acts.c.signature)
            .where(signed_acts.c.person_id == person.id)
            .order_by(signed_acts.c.id.desc())
            .limit(ROWS_MAX)
            .execution_options(yield_per=20)
        ):
            archive.writestr(f"acts/{act.id}.txt", bytes(act.content))
            archive.writestr(f"acts/{act.id}.p7s", bytes(act.signature))
        for name, document in _documents(db, person.id):
            archive.writestr(name, document)


def _queries(person: Person) -> Iterator[tuple[str, sa.Select[Any]]]:
    """What is asked for, by the table's name; secrets are digests and stay out."""
    for table, but in (
        (logins, {"cookie_sha256", "browser_sha256"}),
        (acts, set[str]()),
        (entry_proofs, {"token_sha256"}),
        (signed_acts, {"content", "signature", "request_id"}),
        (applications, set[str]()),
        (uploads, set[str]()),
        (mail_addresses, set[str]()),
    ):
        columns = [one for one in table.c if one.name not in but]
        query = sa.select(*columns).where(table.c.person_id == person.id)
        yield table.name, query.order_by(table.c.id.desc()).limit(ROWS_MAX)
    yield drafts.name, sa.select(drafts).where(drafts.c.person_id == person.id)
    for of_pin in (participant_people, officers):
        yield of_pin.name, sa.select(of_pin).where(of_pin.c.pin == person.pin)
    mine = sa.select(participant_people.c.participant_id).where(
        participant_people.c.pin == person.pin,
        participant_people.c.role == PeopleRole.OWNER.value,
        participant_people.c.ended_at.is_(None),
    )
    query = sa.select(participant_addresses).where(participant_addresses.c.participant_id.in_(mine))
    yield (
        participant_addresses.name,
        query.order_by(participant_addresses.c.day.desc()).limit(ROWS_MAX),
    )


def _rows(db: sa.Connection, query: sa.Select[Any]) -> Iterable[dict[str, Any]]:
    return (dict(row) for row in db.execute(query).mappings())


def _documents(db: sa.Connection, person_id: int) -> Iterator[tuple[str, bytes]]:
    query = (
        sa.select(attachments.c.sha256, attachments.c.media_type, attachments.c.content)
        .where(
            attachments.c.sha256.in_(
                sa.select(uploads.c.sha256).where(uploads.c.person_id == person_id)
            )
        )
        .execution_options(yield_per=1)
    )
    for row in db.execute(query):
        name = f"documents/{bytes(row.sha256).hex()[:16]}{_SUFFIXES[row.media_type]}"
        yield name, bytes(row.content)


def _plain(value: object) -> object:
    if isinstance(value, memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise NotImplementedError(f"{type(value).__name__} has no place in a copy")
