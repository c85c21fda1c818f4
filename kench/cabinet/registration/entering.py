"""Decisions of officers carried out: into the register, or out of it, in one transaction.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

import hashlib
from collections.abc import Callable

import sqlalchemy as sa

from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.registration import tables
from kench.cabinet.registration.application import Way
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.cases import Case, add_event, application_of, case_to_move
from kench.cabinet.registration.decisions import Decision, Exclusion, Ground
from kench.cabinet.registration.membership import Entry, add_entry, move, note
from kench.cabinet.registration.notice_store import lapse_waiting
from kench.cabinet.registration.officers import check_officer
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import Act, ParticipantState
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool import register
from kench.pool.moments import moment_of


def decide(db: sa.Connection, act: SignedAct, random_bytes: Callable[[int], bytes]) -> Case:
    """Carry out a signed decision on an application; raises ActRefusedError, BodyError."""
    decision = data_of(act.content, Decision)
    check_officer(db, act)
    case = case_to_move(db, decision.application)
    if case is None:
        raise ActRefusedError(N_("There is no such application."))
    application, signed = application_of(db, case)
    if decision.application_sha256 != hashlib.sha256(signed.content).hexdigest():
        raise ActRefusedError(N_("The decision is on another text than the applicant signed."))
    if signed.person.pin == act.person.pin:
        raise ActRefusedError(N_("Nobody decides on their own application."))
    if decision.ground is not None:
        if not decision.reason:
            raise ActRefusedError(N_("A refusal says why."))
        add_event(db, case.id, case.state, Act.REFUSE, act)
        return case
    certificate = decision.certificate or application.certificate
    if certificate is None:
        raise ActRefusedError(
            N_("Without a mining certificate nobody is registered (clause %(clause)s)."),
            clause=Ground.NO_CERTIFICATE.value,
        )
    if decision.certificate is not None and application.way is Way.AFTER:
        raise ActRefusedError(N_("The certificate is the one that the application names."))
    # The token is one that nobody has seen: the owner makes one when the page is opened.
    participant_id, _ = register.add_participant(db, application.applicant.name, random_bytes)
    note(
        db, participant_id, Act.REGISTER, ParticipantState.REGISTERED,
        now_us=act.signed_us, act_id=act.id,
    )  # fmt: skip
    entry = Entry(application.applicant, certificate, application.equipment)
    add_entry(
        db, participant_id, entry,
        act_id=act.id, entered_by=act.person.id, now_us=act.signed_us,
    )  # fmt: skip
    refused = add_person(
        db, participant_id, signed.person.pin, PeopleRole.OWNER,
        added_by=act.person.id, now_us=act.signed_us,
    )  # fmt: skip
    if refused is not None:
        raise AssertionError(f"the owner of a new participant was not added: {refused}")
    add_event(db, case.id, case.state, Act.REGISTER, act, participant_id)
    return case


def exclude(db: sa.Connection, act: SignedAct) -> int:
    """Carry out a signed exclusion; return whose. Raises ActRefusedError, BodyError."""
    exclusion = data_of(act.content, Exclusion)
    check_officer(db, act)
    if not exclusion.reason:
        raise ActRefusedError(N_("An exclusion says why."))
    move(db, exclusion.participant, Act.EXCLUDE, now_us=act.signed_us, act_id=act.id)
    lapse_waiting(db, exclusion.participant, act.signed_us)
    return exclusion.participant


def make_token(
    db: sa.Connection,
    participant_id: int,
    person_id: int,
    *,
    now_us: int,
    random_bytes: Callable[[int], bytes],
) -> str:
    """Make a token for the participant's workers in the place of the one before, to be shown once.

    Sessions under the former token end; who may do this is the caller's to check.
    """
    token = register.new_token(random_bytes)
    db.execute(
        sa.update(register.participants)
        .where(register.participants.c.id == participant_id)
        .values(token_sha256=register.token_digest(token))
    )
    db.execute(
        sa.insert(tables.tokens_made).values(
            participant_id=participant_id, person_id=person_id, at=moment_of(now_us)
        )
    )
    return token


def has_token(db: sa.Connection, participant_id: int) -> bool:
    """Whether somebody made a token here, or the participant came without an application."""
    table = tables.tokens_made
    made = db.scalar(
        sa.select(sa.func.max(table.c.at)).where(table.c.participant_id == participant_id)
    )
    entries = tables.register_entries
    applied = db.scalar(
        sa.select(entries.c.version).where(entries.c.participant_id == participant_id).limit(1)
    )
    return made is not None or applied is None
