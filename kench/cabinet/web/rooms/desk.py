"""The officers' desk: what waits and until when, decisions on applications and on exclusion."""

import hashlib
from datetime import UTC, timedelta

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.desk.lot_words import LOT_STATES
from kench.cabinet.desk.papers import read_papers
from kench.cabinet.desk.templates import TemplateKind
from kench.cabinet.inspections.outcome import RESULTS
from kench.cabinet.inspections.risk import RECENT_DAYS
from kench.cabinet.inspections.sharing import Origins, read_origins
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.measures.decisions import DECISION_KINDS, decisions_of
from kench.cabinet.numbers.payouts import read_account
from kench.cabinet.registration.application import (
    APPLICANT_KINDS,
    NUMBER_MAX,
    WAYS,
    Application,
    Certificate,
    Way,
)
from kench.cabinet.registration.attachments import ATTACHMENT_KINDS
from kench.cabinet.registration.bodies import data_of, decision_body, exclusion_body
from kench.cabinet.registration.cases import (
    Case,
    application_of,
    cases_with_number,
    read_case,
)
from kench.cabinet.registration.decisions import GROUNDS, REASON_MAX, Decision, Exclusion, Ground
from kench.cabinet.registration.equipment import HOLDINGS, total_of
from kench.cabinet.registration.fields import day_of, line_of, paragraphs_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.membership import current_entry, history_of, state_of
from kench.cabinet.registration.notice_store import (
    enter_notice,
    notice_of,
    notices_of,
    read_notice_case,
)
from kench.cabinet.registration.notices import NOTICE_KINDS
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import OPEN_STATES, PARTICIPANT_STATES
from kench.cabinet.signing.acts import read_act
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.downloads import attachment_response
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.known import participant_name
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.paths import Number
from kench.cabinet.web.picking import picking_of, text_from
from kench.cabinet.web.report_view import REPORT_STATES
from kench.cabinet.web.rights import may_enter
from kench.cabinet.web.rooms.applications import NEAR_DAYS, STATES
from kench.cabinet.web.rooms.notices import NOTICE_STATES
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Officer, Registrar, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole

SAID["decided"] = Said(N_("The decision is signed and carried out."))
SAID["entered"] = Said(N_("The register says so now."))
NO_ROLE: frozenset[OfficerRole] = frozenset()

room = APIRouter()


@room.get("/desk/applications/{number}")
def show_case(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show all of an application, and the ways to decide."""
    with cabinet.engine.connect() as db:
        case = _case(db, number)
        typed = {}
        chosen = picking_of(db, request, visit, TemplateKind.REFUSAL).chosen
        if chosen is not None and chosen.ground is not None:
            reason = text_from(visit, chosen, number=case.id, name=case.name)
            typed = {"do": "refuse", "ground": chosen.ground.value, "reason": reason}
        return _case_page(request, cabinet, visit, db, case, typed, [])


@room.get("/desk/applications/{number}/documents/{document}")
def get_document(
    cabinet: CabinetHere, _officer: Officer, number: Number, document: int
) -> Response:
    """Hand out a document of an application."""
    with cabinet.engine.connect() as db:
        application, _ = application_of(db, _case(db, number))
        return attachment_response(db, application.attachments, document)


@room.post("/desk/applications/{number}/decide")
def decide(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    number: Number,
    form: Posted,
) -> Response:
    """Ask the officer for the signature of a decision."""
    typed = {name: text_of(form, name) for name in ("do", "ground", "reason", "certificate_number",
                                                    "certificate_issued")}  # fmt: skip
    with cabinet.engine.begin() as db:
        case = _case(db, number)
        application, act = application_of(db, case)
        sha256 = hashlib.sha256(act.content).hexdigest()
        decision = _decision(case, application, sha256, typed, visit)
        if not isinstance(decision, Decision):
            return _case_page(request, cabinet, visit, db, case, typed, decision, status=422)
        body = decision_body(decision, case.name, visit.words.gettext)
        return ask_signature(
            cabinet, visit, officer, db, Purpose.DECISION, f"application {case.id}", body
        )


@room.get("/desk/notices/{number}")
def show_notice(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number
) -> Response:
    """Show a notice whole."""
    with cabinet.engine.connect() as db:
        case = read_notice_case(db, number)
        if case is None:
            raise HTTPException(404)
        notice, entry = notice_of(db, case), current_entry(db, case.participant_id)
        account = read_account(db, case.participant_id) if notice.account else None
    named = entry.entry.applicant.name if entry else case.participant
    may_enter = case.is_waiting and case.kind.is_entered and case.person_id != officer.person.id
    return render(
        request, visit, "registration/desk_notice.html", case=case, notice=notice, entry=entry,
        notice_kinds=NOTICE_KINDS, states=NOTICE_STATES, holdings=HOLDINGS,
        attachment_kinds=ATTACHMENT_KINDS, total=total_of(notice.equipment), account=account,
        may_enter=may_enter and (entry or notice.account),
        same_holder=notice.account and notice.account.holder.casefold() == named.casefold(),
    )  # fmt: skip


@room.get("/desk/notices/{number}/documents/{document}")
def get_notice_document(
    cabinet: CabinetHere, _officer: Officer, number: Number, document: int
) -> Response:
    """Hand out a document of a notice."""
    with cabinet.engine.connect() as db:
        case = read_notice_case(db, number)
        if case is None:
            raise HTTPException(404)
        return attachment_response(db, notice_of(db, case).attachments, document)


@room.post("/desk/notices/{number}/enter")
def enter(cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number) -> Response:
    """Bring the register to what a notice says."""
    try:
        with cabinet.engine.begin() as db:
            enter_notice(db, number, officer.person.id, visit.now_us)
            keep_trail(
                db,
                TrailEntry(
                    visit.now_us, "enter_notice", DONE, f"notice {number}", visit.address,
                    person_id=officer.person.id, login_id=officer.id,
                ),
            )  # fmt: skip
    except ActRefusedError as error:
        raise HTTPException(409) from error
    return go(f"/desk/notices/{number}", "entered")


@room.get("/desk/participants/{number}")
def show_participant(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show a participant's entry, its way so far, and the exclusion."""
    with cabinet.engine.connect() as db:
        chosen = picking_of(db, request, visit, TemplateKind.EXCLUSION).chosen
        typed = ""
        if chosen is not None and state_of(db, number) is not None:
            typed = text_from(visit, chosen, number=number, name=participant_name(db, number))
        return _participant_page(request, visit, db, number, typed, [])


@room.post("/desk/participants/{number}/exclude")
def exclude(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Registrar,
    number: Number,
    form: Posted,
) -> Response:
    """Ask the officer for the signature of an exclusion."""
    typed = text_of(form, "reason")
    reason = paragraphs_of(typed, REASON_MAX)
    with cabinet.engine.begin() as db:
        if state_of(db, number) not in OPEN_STATES:
            raise HTTPException(404)
        if reason is None:
            gaps = [Gap("reason", N_("Say why, in 4000 characters at most"))]
            return _participant_page(request, visit, db, number, typed, gaps, status=422)
        body = exclusion_body(
            Exclusion(number, reason), participant_name(db, number), visit.words.gettext
        )
        return ask_signature(
            cabinet, visit, officer, db, Purpose.EXCLUSION, f"participant {number}", body
        )


def _case(db: sa.Connection, number: int) -> Case:
    case = read_case(db, number)
    if case is None:
        raise HTTPException(404)
    return case


def _case_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: CabinetHere,
    visit: Visit,
    db: sa.Connection,
    case: Case,
    typed: dict[str, str],
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    application, act = application_of(db, case)
    decision = None
    if not case.is_open and case.state != "withdrawn":
        decided = read_act(db, case.events[-1].act_id)
        decision = data_of(decided.content, Decision) if decided else None
    others = [one for one in cases_with_number(db, case.tax_number) if one.id != case.id]
    left = calendar_of(cabinet, visit.now_us).working_days_left(
        day_at(visit.now_us), case.deadline.day
    )
    return render(
        request, visit, "registration/desk_application.html", status=status, case=case,
        application=application, sha256=hashlib.sha256(act.content).hexdigest(), others=others,
        decision=decision, left=left, near=NEAR_DAYS, total=total_of(application.equipment),
        typed=typed, gaps=gaps, wrong={gap.field for gap in gaps}, words=visit.words.gettext,
        states=STATES, grounds=GROUNDS, ways=WAYS, applicant_kinds=APPLICANT_KINDS,
        holdings=HOLDINGS, attachment_kinds=ATTACHMENT_KINDS,
        picking=picking_of(db, request, visit, TemplateKind.REFUSAL),
    )  # fmt: skip


def _decision(
    case: Case, application: Application, sha256: str, typed: dict[str, str], visit: Visit
) -> Decision | list[Gap]:
    reason = paragraphs_of(typed["reason"], REASON_MAX) if typed["reason"] else ""
    if not case.is_open:
        return [Gap("do", N_("This application is decided or withdrawn already."))]
    if reason is None:
        return [Gap("reason", N_("Say why, in 4000 characters at most"))]
    if typed["do"] == "refuse":
        return _refusal(case, sha256, typed["ground"], reason)
    if typed["do"] != "register":
        return [Gap("do", N_("Choose what is decided"))]
    return _registration(case, application, sha256, typed, reason, visit)


def _refusal(case: Case, sha256: str, typed: str, reason: str) -> Decision | list[Gap]:
    ground = next((one for one in Ground if one.value == typed), None)
    gaps = []
    if ground is None:
        gaps.append(Gap("ground", N_("Choose the ground of the refusal")))
    if not reason:
        gaps.append(Gap("reason", N_("Say why, in 4000 characters at most")))
    return gaps or Decision(case.id, sha256, ground, reason)


def _registration(  # noqa: PLR0913, PLR0917 - what it is made of
    case: Case,
    application: Application,
    sha256: str,
    typed: dict[str, str],
    reason: str,
    visit: Visit,
) -> Decision | list[Gap]:
    if application.way is Way.AFTER:
        return Decision(case.id, sha256, None, reason)
    number = line_of(typed["certificate_number"], NUMBER_MAX)
    issued = day_of(typed["certificate_issued"])
    if number is None or issued is None or issued > day_at(visit.now_us):
        return [
            Gap("certificate_number", N_("Say number and day of the certificate that was issued"))
        ]
    return Decision(case.id, sha256, None, reason, Certificate(number, issued))


def _participant_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    db: sa.Connection,
    number: int,
    typed: str,
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    state = state_of(db, number)
    if state is None:
        raise HTTPException(404)
    entry = current_entry(db, number)
    return render(
        request, visit, "registration/desk_participant.html", status=status, number=number,
        name=participant_name(db, number), state=state, is_open=state in OPEN_STATES, entry=entry,
        history=history_of(db, number), notices=notices_of(db, number), typed=typed, gaps=gaps,
        wrong={gap.field for gap in gaps}, words=visit.words.gettext, holdings=HOLDINGS,
        total=total_of(entry.entry.equipment) if entry else None, states=PARTICIPANT_STATES,
        notice_kinds=NOTICE_KINDS, notice_states=NOTICE_STATES, kinds=DECISION_KINDS,
        decisions=decisions_of(db, number), report_states=REPORT_STATES, results=RESULTS,
        lot_names=LOT_STATES, papers=read_papers(
            db, number, lambda path: may_enter(path, visit.login.roles if visit.login else NO_ROLE)
        ),
        picking=picking_of(db, request, visit, TemplateKind.EXCLUSION),
        origins=_origins_of(db, visit, number),
    )  # fmt: skip


def _origins_of(db: sa.Connection, visit: Visit, number: int) -> Origins | None:
    """From where a participant mines, for those who inspect."""
    if not visit.has_duty("inspector", "head"):
        return None
    until = moment_of(visit.now_us).astimezone(UTC).date()
    return read_origins(db, number, until - timedelta(days=RECENT_DAYS), until)
