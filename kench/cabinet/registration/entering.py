"""Decisions of officers carried out: into the register, or out of it, in one transaction.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

import hashlib

import sqlalchemy as sa

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.measures.decisions import DecisionKind, keep_decision
from kench.cabinet.registration.application import Way
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.cases import Case, add_event, application_of, case_to_move
from kench.cabinet.registration.decisions import Decision, Exclusion, Ground
from kench.cabinet.registration.membership import Entry, add_entry, move, note
from kench.cabinet.registration.notice_store import lapse_waiting
from kench.cabinet.registration.officers import check_officer, check_others
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import Act, ParticipantState
from kench.cabinet.registration.telling import tell_decision, tell_participant
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool import register


def decide(db: sa.Connection, act: SignedAct) -> Case:
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
        tell_decision(db, case, act.signed_us, participant_id=None)
        return case
    certificate = decision.certificate or application.certificate
    if certificate is None:
        raise ActRefusedError(
            N_("Without a mining certificate nobody is registered (clause %(clause)s)."),
            clause=Ground.NO_CERTIFICATE.value,
        )
    if decision.certificate is not None and application.way is Way.AFTER:
        raise ActRefusedError(N_("The certificate is the one that the application names."))
    # Without a token: its people make as many as they need.
    participant_id = register.enter_participant(db, application.applicant.name)
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
    tell_decision(db, case, act.signed_us, participant_id=participant_id)
    return case


def exclude(db: sa.Connection, act: SignedAct) -> int:
    """Carry out a signed exclusion; return whose. Raises ActRefusedError, BodyError."""
    exclusion = data_of(act.content, Exclusion)
    check_officer(db, act)
    if not exclusion.reason:
        raise ActRefusedError(N_("An exclusion says why."))
    check_others(db, act, exclusion.participant)
    move(db, exclusion.participant, Act.EXCLUDE, now_us=act.signed_us, act_id=act.id)
    lapse_waiting(db, exclusion.participant, act.signed_us)
    number = keep_decision(db, exclusion.participant, DecisionKind.EXCLUSION, act)
    tell_participant(
        db, exclusion.participant, Letter.DECISION, f"decisions/{number}", act.signed_us,
        number=exclusion.participant,
    )  # fmt: skip
    return exclusion.participant
