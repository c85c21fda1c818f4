"""Letters: what people are told by e-mail of their applications, notices, terms and messages.

A letter says what happened and leads to the page; what is on the page it does not say. It goes to
the address in the application or the register, once that is confirmed, in the language in which it
was given. Every function takes a connection that is in a transaction and leaves the commit to its
caller.
"""

from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from kench.cabinet.alerts.news import Event
from kench.cabinet.alerts.outbox import queue_letter
from kench.cabinet.alerts.tables import mail_addresses
from kench.cabinet.alerts.wording import Message
from kench.cabinet.login.tables import participant_people, persons
from kench.cabinet.words.catalogues import N_, words_of
from kench.cabinet.words.formats import Formats
from kench.cabinet.words.languages import Language


class Letter(StrEnum):
    """What a letter says."""

    DECIDED = N_("There is a decision on application %(number)s")
    REGISTERED = N_("Application %(number)s: the entry is made, the credentials are ready")
    ENTERED = N_("Notice %(number)s is entered")
    TOOK_EFFECT = N_("Notice %(number)s has taken effect")
    WITHDRAWN = N_("Notice %(number)s is withdrawn")
    LAPSED = N_("Notice %(number)s has lapsed")
    BEGINS = N_("Notice %(number)s takes effect on %(day)s")
    ENDS = N_("The suspension by notice %(number)s ends on %(day)s")
    DECISION = N_("There is a decision on participant %(number)s")
    SUSPENSION_ENDS = N_("The suspension of participant %(number)s ends on %(day)s")
    EXTRACT = N_("An extract from the register is ready for participant %(number)s")
    CIRCULAR = N_("There is a circular of the authorised body for participant %(number)s")
    INSPECTION = N_("The outcome of an inspection of participant %(number)s is signed")
    MESSAGE = N_("There is a message of the authorised body to participant %(number)s")
    REPORT_READY = N_("Report %(number)s is ready to be completed until %(day)s")
    REPORT_NEAR = N_("Report %(number)s is to be signed until %(day)s")
    REPORT_LATE = N_("Report %(number)s is missing: it was to be signed until %(day)s")
    REPORT_RETURNED = N_("Report %(number)s, version %(version)s, is sent back to be corrected")
    REPORT_ACCEPTED = N_("Report %(number)s, version %(version)s, is accepted")


def write_to_applicant(  # noqa: PLR0913 - whom, what, where to
    db: sa.Connection,
    person_id: int,
    address: str,
    letter: Letter,
    path: str,
    *,
    now_us: int,
    **values: Any,
) -> bool:
    """Queue a letter to whoever applied; False where the address is not confirmed."""
    return _write(
        db,
        (mail_addresses.c.person_id == person_id) & (mail_addresses.c.address == address),
        letter, path, now_us, values,
    )  # fmt: skip


def write_to_participant(  # noqa: PLR0913 - whom, what, where to
    db: sa.Connection,
    participant_id: int,
    address: str,
    letter: Letter,
    path: str,
    *,
    now_us: int,
    **values: Any,
) -> bool:
    """Queue a letter to the address in the register, if one of its people confirmed it."""
    return _write(db, _of_people(participant_id, address), letter, path, now_us, values)


def goes_to_participant(db: sa.Connection, participant_id: int, address: str) -> bool:
    """Whether letters to a participant go to that address."""
    return _find(db, _of_people(participant_id, address)) is not None


def _of_people(participant_id: int, address: str) -> sa.ColumnElement[bool]:
    people = (
        sa.select(persons.c.id)
        .join_from(participant_people, persons, participant_people.c.pin == persons.c.pin)
        .where(
            participant_people.c.participant_id == participant_id,
            participant_people.c.ended_at.is_(None),
        )
    )
    return mail_addresses.c.person_id.in_(people) & (mail_addresses.c.address == address)


def _find(db: sa.Connection, whose: sa.ColumnElement[bool]) -> Any:
    return db.execute(
        sa.select(mail_addresses.c.id, mail_addresses.c.language)
        .where(
            whose, mail_addresses.c.confirmed_at.is_not(None), mail_addresses.c.refused_at.is_(None)
        )
        .order_by(mail_addresses.c.id)
        .limit(1)
    ).one_or_none()


def _write(  # noqa: PLR0913, PLR0917 - whom, what, where to
    db: sa.Connection,
    whose: sa.ColumnElement[bool],
    letter: Letter,
    path: str,
    now_us: int,
    values: dict[str, Any],
) -> bool:
    row = _find(db, whose)
    if row is None:
        return False
    language = Language(row.language)
    _, formats = words_of(language).gettext, Formats(language)
    about = " ".join([letter.name.lower(), path, *(str(part) for part in values.values())])
    shown = {name: formats.day(value) if name == "day" else value for name, value in values.items()}
    body = _("All of it is on the page of the personal cabinet, where you enter by your signature:")
    message = Message(_(letter.value) % shown, body)
    queue_letter(db, row.id, Event.LETTER, message, path=path, about=about, now_us=now_us)
    return True
