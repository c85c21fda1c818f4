"""Inspections: planned by risk at the desk, their outcomes signed and shown to participants."""

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.inspections.outcome import (
    CHECKLIST,
    FINDINGS,
    FORM_FIELDS,
    RESULTS,
    TEXT_MAX,
    Outcome,
    outcome_body,
    read_outcome,
)
from kench.cabinet.inspections.reading import read_risks
from kench.cabinet.inspections.risk import FACTORS, Facts, Risk, points_of
from kench.cabinet.inspections.store import (
    FIRST,
    Inspection,
    draft_of,
    ended_inspections,
    inspections_of,
    outcome_of,
    plan,
    planned_among,
    read_inspection,
    waiting_inspections,
)
from kench.cabinet.login.logins import Login
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.numbers.kept import Kept
from kench.cabinet.registration.application import Draft
from kench.cabinet.registration.attachments import REFUSALS, Attachment, AttachmentKind
from kench.cabinet.registration.documents import read_draft_of, save_draft
from kench.cabinet.registration.fields import integer_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.acting import TABS, Acting, render_room
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.attaching import place_of, remove_numbered, take_file
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.downloads import attachment_response
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.paths import After, Before, Number
from kench.cabinet.web.rooms.applications import NEAR_DAYS
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at
from kench.pool.moments import moment_of
from kench.pool.register import ID_MAX

RISKS_S = 600.0
SHOWN, OWN_SHOWN = 50, 10
WORKING_DAYS, WORKING_DAYS_MAX = 10, 60
KINDS = {AttachmentKind.OTHER: N_("photograph or document")}
SAID["inspection_planned"] = Said(N_("The inspection is planned."))
SAID["inspection_waits"] = Said(
    N_("An inspection of this participant is planned already."), good=False
)
SAID["inspection_unknown"] = Said(
    N_("Only those who mine are inspected; give a number of working days up to 60."), good=False
)
SAID["inspection_signed"] = Said(N_("The outcome is signed; the participant sees it."))
DESK_TABS.append(Tab("inspections", N_("Inspections")))
TABS.append(Tab("inspections", N_("Inspections")))


room = APIRouter()


def keep_risks(cabinet: Cabinet) -> Kept[list[Risk]]:
    """Return everybody's risk, read by one officer for all of the next minutes."""

    def read() -> list[Risk]:
        with cabinet.reading.connect() as db:
            now = moment_of(cabinet.clock.now_us())
            return read_risks(db, now, networks=cabinet.settings.shared_addresses)

    return Kept(read, cabinet.clock, RISKS_S)


@room.get("/desk/inspections")
def show_inspections(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    after: After = 0,
    before: Before = FIRST,
) -> Response:
    """Show what is planned, whom to inspect next, and what came of the last ones."""
    risks: Kept[list[Risk]] = request.app.state.risks
    calendar, today = calendar_of(cabinet, visit.now_us), day_at(visit.now_us)
    most = [one for one in risks.value()[:SHOWN] if one.score]
    with cabinet.reading.connect() as db:
        waiting = waiting_inspections(db, after=after, at_most=SHOWN + 1)
        ended = ended_inspections(db, before=before, at_most=SHOWN + 1)
        planned = planned_among(db, [one.participant_id for one in most])
    return render(
        request, visit, "inspections/desk.html", waiting=waiting[:SHOWN], ended=ended[:SHOWN],
        risks=most, factors=FACTORS, planned=planned, near=NEAR_DAYS, results=RESULTS,
        left={one.id: calendar.working_days_left(today, one.due) for one in waiting},
        working_days=WORKING_DAYS, is_first=not after, following=_last(waiting),
        older=_last(ended),
    )  # fmt: skip


@room.post("/desk/inspections/plan")
def plan_one(cabinet: CabinetHere, visit: VisitHere, officer: Officer, form: Posted) -> Response:
    """Plan an inspection of a participant."""
    whose = integer_of(text_of(form, "participant"), 1, ID_MAX)
    days = integer_of(text_of(form, "days"), 1, WORKING_DAYS_MAX)
    if whose is None or days is None:
        return go("/desk/inspections", "inspection_unknown")
    with cabinet.engine.begin() as db:
        now = moment_of(visit.now_us)
        risks = read_risks(db, now, whose, cabinet.settings.shared_addresses)
        if not risks:
            return go("/desk/inspections", "inspection_unknown")
        calendar = calendar_of(cabinet, visit.now_us)
        number = plan(db, risks[0], days, calendar, officer.person.id, visit.now_us)
        if number is None:
            return go("/desk/inspections", "inspection_waits")
        keep_trail(
            db,
            TrailEntry(
                visit.now_us, "plan_inspection", DONE, f"inspection {number}", visit.address,
                person_id=officer.person.id, login_id=officer.id,
            ),
        )  # fmt: skip
    return go(f"/desk/inspections/{number}", "inspection_planned")


@room.get("/desk/inspections/{number}")
def show_inspection(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number
) -> Response:
    """Show one: why it was planned, and its outcome or the form of it."""
    with cabinet.reading.connect() as db:
        found = _known(db, number)
        draft = read_draft_of(db, officer.person.id, draft_of(number))
        return _page(request, cabinet, visit, db, found, draft, [])


@room.post("/desk/inspections/{number}")
def change(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    number: Number,
    form: Posted,
) -> Response:
    """Keep what was typed and attached; ask for the signature where that is wanted."""
    do = text_of(form, "do")
    with cabinet.engine.begin() as db:
        found = _known(db, number)
        if found.act_id is not None:
            raise HTTPException(409)
        draft = read_draft_of(db, officer.person.id, draft_of(number), for_update=True)
        draft.fields = {name: text_of(form, name)[: TEXT_MAX * 2] for name in FORM_FIELDS}
        if do.startswith("remove-file-"):
            remove_numbered(draft.attachments, do)
        made = take_file(db, visit, officer.person.id, len(draft.attachments), form)
        if isinstance(made, Attachment):
            draft.attachments.append(made)
        save_draft(db, officer.person.id, draft, visit.now_us, draft_of(number))
        if made is not None and not isinstance(made, Attachment):
            gaps = [Gap("file", REFUSALS[made])]
            return _page(request, cabinet, visit, db, found, draft, gaps, status=422)
        if do == "sign":
            return _sign(request, cabinet, visit, officer, db, found, draft)
    return go(f"/desk/inspections/{number}{place_of(do)}", "saved")


@room.get("/desk/inspections/{number}/documents/{document}")
def get_document(cabinet: CabinetHere, officer: Officer, number: Number, document: int) -> Response:
    """Hand out a photograph: of the outcome, or of the officer's own draft."""
    with cabinet.reading.connect() as db:
        outcome = outcome_of(db, _known(db, number))
        files = outcome.attachments if outcome else read_draft_of(
            db, officer.person.id, draft_of(number)
        ).attachments  # fmt: skip
        return attachment_response(db, files, document)


@room.get("/p/{participant_id}/inspections")
def show_own(
    request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting, before: Before = FIRST
) -> Response:
    """Show a participant what came of its inspections."""
    with cabinet.reading.connect() as db:
        mine = inspections_of(db, acts.participant_id, OWN_SHOWN + 1, before=before)
        outcomes = {one.id: outcome_of(db, one) for one in mine[:OWN_SHOWN]}
    return render_room(
        request, visit, acts, "inspections/own.html", mine=mine[:OWN_SHOWN], outcomes=outcomes,
        older=mine[OWN_SHOWN - 1].id if len(mine) > OWN_SHOWN else None,
        results=RESULTS, findings=FINDINGS, checklist=CHECKLIST, kinds=KINDS,
    )  # fmt: skip


@room.get("/p/{participant_id}/inspections/{number}/documents/{document}")
def get_own_document(cabinet: CabinetHere, acts: Acting, number: Number, document: int) -> Response:
    """Hand out a photograph of an outcome to whom it is about."""
    with cabinet.reading.connect() as db:
        found = read_inspection(db, number)
        if found is None or found.participant_id != acts.participant_id:
            raise HTTPException(404)
        outcome = outcome_of(db, found)
        return attachment_response(db, outcome.attachments if outcome else (), document)


def _last(lines: list[Inspection]) -> int | None:
    """After which one the next page begins."""
    return lines[SHOWN - 1].id if len(lines) > SHOWN else None


def _known(db: sa.Connection, number: int) -> Inspection:
    found = read_inspection(db, number)
    if found is None:
        raise HTTPException(404)
    return found


def _sign(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    officer: Login,
    db: sa.Connection,
    found: Inspection,
    draft: Draft,
) -> Response:
    read = read_outcome(
        found.id, found.participant_id, draft.fields, draft.attachments, day_at(visit.now_us)
    )
    if not isinstance(read, Outcome):
        return _page(request, cabinet, visit, db, found, draft, read, status=422)
    body = outcome_body(read, found.name, visit.words.gettext)
    subject = f"inspection {found.id}"
    return ask_signature(cabinet, visit, officer, db, Purpose.INSPECTION, subject, body)


def _page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    db: sa.Connection,
    found: Inspection,
    draft: Draft,
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    facts = Facts(**found.facts)
    left = calendar_of(cabinet, visit.now_us).working_days_left(day_at(visit.now_us), found.due)
    return render(
        request, visit, "inspections/one.html", status=status, found=found, facts=facts,
        points=points_of(facts), factors=FACTORS, outcome=outcome_of(db, found), draft=draft,
        gaps=gaps, wrong={gap.field for gap in gaps}, words=visit.words.gettext, left=left,
        near=NEAR_DAYS, checklist=CHECKLIST, findings=FINDINGS, results=RESULTS, kinds=KINDS,
        today=day_at(visit.now_us),
    )  # fmt: skip
