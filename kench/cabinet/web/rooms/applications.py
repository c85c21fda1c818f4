"""A person's own applications: what became of each, until when it is decided, taking one back."""

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.alerts.addresses import ask_address, state_of_address
from kench.cabinet.alerts.sending import sends_letters
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.registration.application import APPLICANT_KINDS, WAYS
from kench.cabinet.registration.attachments import ATTACHMENT_KINDS
from kench.cabinet.registration.bodies import Withdrawal, data_of, withdrawal_body
from kench.cabinet.registration.cases import Case, application_of, cases_of, read_case
from kench.cabinet.registration.decisions import GROUNDS, Decision
from kench.cabinet.registration.equipment import HOLDINGS, total_of
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.registration.states import ApplicationState
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.contact import SAID_OF, Contact
from kench.cabinet.web.downloads import attachment_response, file_response
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.paths import Number
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at

SAID["applied"] = Said(N_("Your application is signed and handed in."))
SAID["withdrawn"] = Said(N_("It is withdrawn."))
STATES = {
    ApplicationState.SUBMITTED: N_("waits for a decision"),
    ApplicationState.REGISTERED: N_("registered"),
    ApplicationState.REFUSED: N_("registration refused"),
    ApplicationState.WITHDRAWN: N_("withdrawn"),
}
NEAR_DAYS = 2
"""With so many working days left a deadline is near."""

room = APIRouter()


@room.get("/applications")
def show_applications(
    request: Request, cabinet: CabinetHere, visit: VisitHere, login: Entered
) -> Response:
    """List the person's applications."""
    with cabinet.engine.connect() as db:
        cases = cases_of(db, login.person.id)
    return render(request, visit, "registration/applications.html", cases=cases, states=STATES)


@room.get("/applications/{number}")
def show_application(
    request: Request, cabinet: CabinetHere, visit: VisitHere, login: Entered, number: Number
) -> Response:
    """Show one: its way, its deadline, all that it holds."""
    with cabinet.engine.connect() as db:
        case = _own(read_case(db, number), login.person.id)
        application, _ = application_of(db, case)
        decided = _decided(db, case)
        decision = data_of(decided.content, Decision) if decided else None
        contact = _contact(db, cabinet, case, application.applicant.email)
    return render(
        request, visit, "registration/application.html", case=case, application=application,
        decision=decision, decided=decided, left=days_left(cabinet, visit.now_us, case),
        total=total_of(application.equipment), states=STATES, grounds=GROUNDS, near=NEAR_DAYS,
        ways=WAYS, applicant_kinds=APPLICANT_KINDS, holdings=HOLDINGS,
        attachment_kinds=ATTACHMENT_KINDS, contact=contact,
    )  # fmt: skip


@room.get("/applications/{number}/documents/{document}")
def get_document(cabinet: CabinetHere, login: Entered, number: Number, document: int) -> Response:
    """Hand out a document of the own application."""
    with cabinet.engine.connect() as db:
        case = _own(read_case(db, number), login.person.id)
        application, _ = application_of(db, case)
        return attachment_response(db, application.attachments, document)


@room.get("/applications/{number}/decision.txt")
def get_decision(cabinet: CabinetHere, login: Entered, number: Number) -> Response:
    """Hand out the bytes that the officer signed."""
    with cabinet.engine.connect() as db:
        decided = _decided_on(db, number, login.person.id)
    return file_response(decided.content, f"decision-{number}.txt", "text/plain; charset=utf-8")


@room.get("/applications/{number}/decision.p7s")
def get_decision_signature(cabinet: CabinetHere, login: Entered, number: Number) -> Response:
    """Hand out the officer's signature over them."""
    with cabinet.engine.connect() as db:
        decided = _decided_on(db, number, login.person.id)
    return file_response(
        decided.signature, f"decision-{number}.txt.p7s", "application/pkcs7-signature"
    )


@room.post("/applications/{number}/withdraw")
def withdraw(cabinet: CabinetHere, visit: VisitHere, login: Entered, number: Number) -> Response:
    """Ask for the signature that takes the application back."""
    with cabinet.engine.begin() as db:
        case = _own(read_case(db, number), login.person.id)
        if not case.is_open:
            raise HTTPException(409)
        words = visit.words.gettext
        what = f"{words('Application')} {case.id}, {case.name}"
        body = withdrawal_body(Withdrawal(application=case.id), what, words)
        return ask_signature(
            cabinet, visit, login, db, Purpose.WITHDRAWAL, f"application {case.id}", body
        )


@room.post("/applications/{number}/contact")
def ask_again(cabinet: CabinetHere, visit: VisitHere, login: Entered, number: Number) -> Response:
    """Send the address in the application one more link."""
    with cabinet.engine.begin() as db:
        case = _own(read_case(db, number), login.person.id)
        if not sends_letters(cabinet.settings):
            raise HTTPException(404)
        address = application_of(db, case)[0].applicant.email
        asked = ask_address(db, login.person.id, address, visit.language, visit.now_us)
    return go(f"/applications/{number}", SAID_OF[asked])


def days_left(cabinet: Cabinet, now_us: int, case: Case) -> int:
    """Working days until the deadline; below zero when it is missed."""
    calendar = calendar_of(cabinet, now_us)
    return calendar.working_days_left(day_at(now_us), case.deadline.day)


def _contact(db: sa.Connection, cabinet: Cabinet, case: Case, address: str) -> Contact | None:
    if not sends_letters(cabinet.settings):
        return None
    state = state_of_address(db, case.person_id, address)
    return Contact(address, state, f"/applications/{case.id}/contact")


def _decided(db: sa.Connection, case: Case) -> SignedAct | None:
    """What an officer signed on it; None while nobody has."""
    if case.state not in {ApplicationState.REFUSED, ApplicationState.REGISTERED}:
        return None
    return read_act(db, case.events[-1].act_id)


def _decided_on(db: sa.Connection, number: int, person_id: int) -> SignedAct:
    decided = _decided(db, _own(read_case(db, number), person_id))
    if decided is None:
        raise HTTPException(404)
    return decided


def _own(case: Case | None, person_id: int) -> Case:
    if case is None or case.person_id != person_id:
        raise HTTPException(404)
    return case
