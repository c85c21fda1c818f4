"""Who is written to when an application or a notice moves, a day comes near, a message is sent.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from kench.cabinet.alerts.addresses import Asked, ask_address
from kench.cabinet.alerts.letters import Letter, write_to_applicant, write_to_participant
from kench.cabinet.measures.tables import open_suspensions
from kench.cabinet.registration.cases import Case, application_of
from kench.cabinet.registration.membership import current_entry
from kench.cabinet.registration.states import Act, NoticeKind, NoticeState
from kench.cabinet.registration.tables import notice_events, notice_queue, notices
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.tables import signing_requests
from kench.cabinet.words.languages import Language
from kench.pool.calendar import day_at
from kench.pool.register import participants

NEAR_DAYS = 3
"""Calendar days before a suspension, its end or an exit that its participant is written to."""
NEAR_MAX = 1000
OF_NOTICES: Mapping[Act, Letter] = {
    Act.ENTER: Letter.ENTERED,
    Act.TAKE_EFFECT: Letter.TOOK_EFFECT,
    Act.WITHDRAW: Letter.WITHDRAWN,
    Act.LAPSE: Letter.LAPSED,
}


def ask_contact(db: sa.Connection, act: SignedAct, address: str) -> Asked:
    """Ask the owner of an address that was given in something signed if letters may come there."""
    language = db.scalar(
        sa.select(signing_requests.c.language).where(signing_requests.c.id == act.request_id)
    )
    return ask_address(db, act.person.id, address, Language(language or Language.KY), act.signed_us)


def contact_of(db: sa.Connection, participant_id: int) -> str | None:
    """The address of e-mail that the register has of a participant."""
    newest = current_entry(db, participant_id)
    return newest.entry.applicant.email if newest else None


def tell_decision(
    db: sa.Connection, case: Case, now_us: int, *, participant_id: int | None
) -> None:
    """Write to an applicant that there is a decision, or an entry with credentials."""
    application, _ = application_of(db, case)
    letter, path = Letter.REGISTERED, f"/p/{participant_id}/connection"
    if participant_id is None:
        letter, path = Letter.DECIDED, f"/applications/{case.id}"
    write_to_applicant(
        db, case.person_id, application.applicant.email, letter, path,
        now_us=now_us, number=case.id,
    )  # fmt: skip


def tell_participant(
    db: sa.Connection, participant_id: int, letter: Letter, path: str, now_us: int, **values: Any
) -> None:
    """Write to the address in the register; `path` begins after `/p/N/`."""
    address = contact_of(db, participant_id)
    if address is not None:
        write_to_participant(
            db, participant_id, address, letter, f"/p/{participant_id}/{path}",
            now_us=now_us, **values,
        )  # fmt: skip


def tell_of_notice(db: sa.Connection, notice_id: int, act: Act, now_us: int) -> None:
    """Write to a participant what became of a notice."""
    letter = OF_NOTICES.get(act)
    if letter is not None:
        whose = sa.select(notices.c.participant_id).where(notices.c.id == notice_id)
        participant_id = db.execute(whose).scalar_one()
        tell_participant(db, participant_id, letter, "notices", now_us, number=notice_id)


def tell_what_is_near(db: sa.Connection, now_us: int) -> int:
    """Write of days that are near, once of each; return of how many."""
    today = day_at(now_us)
    last = today + timedelta(days=NEAR_DAYS)
    queued = notice_queue.c
    begins = sa.select(queued.notice_id, queued.participant_id, queued.due).where(
        queued.due.between(today + timedelta(days=1), last), ~queued.is_entered
    )
    done = sa.select(notice_events.c.id).where(
        notice_events.c.notice_id == notices.c.id,
        notice_events.c.state == NoticeState.DONE.value,
    )
    ends = (
        sa.select(notices.c.id, notices.c.participant_id, notices.c.until)
        .join_from(notices, participants, notices.c.participant_id == participants.c.id)
        .where(
            notices.c.kind == NoticeKind.SUSPENSION.value,
            notices.c.until.between(today + timedelta(days=1), last),
            participants.c.state == "suspended",
            done.exists(),
        )
    )
    # Of a measure of the authorised body the participant is named, and its page is another.
    standing = open_suspensions.c
    barred = sa.select(
        standing.participant_id.label("number"), standing.participant_id, standing.until
    ).where(standing.until.between(today + timedelta(days=1), last))
    told = 0
    for letter, query, page in (
        (Letter.BEGINS, begins, "notices"),
        (Letter.ENDS, ends, "notices"),
        (Letter.SUSPENSION_ENDS, barred, "decisions"),
    ):
        for number, participant_id, day in db.execute(query.limit(NEAR_MAX)).all():
            tell_participant(db, participant_id, letter, page, now_us, number=number, day=day)
            told += 1
    return told
