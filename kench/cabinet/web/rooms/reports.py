"""A participant's reports: what is due until when, filled in, signed, corrected, kept as files."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import ActsFor, PeopleRole
from kench.cabinet.registration.attachments import ATTACHMENT_BYTES_MAX
from kench.cabinet.registration.documents import keep_upload
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.reports.drafts import (
    ReportDraft,
    drop_report_draft,
    read_report_draft,
    save_report_draft,
)
from kench.cabinet.reports.filing import Filing, filing_body
from kench.cabinet.reports.form_store import StoredForm, form_of
from kench.cabinet.reports.papers import PAPER_REFUSALS, PaperRefusal, check_papers, paper_of
from kench.cabinet.reports.reminding import NEAR_WORKING_DAYS
from kench.cabinet.reports.store import (
    FILINGS_MAX,
    FIRST,
    ReportLine,
    facts_of,
    filings_of,
    forms_of_report,
    read_report,
    reports_of,
    signed_filing,
)
from kench.cabinet.reports.values import (
    Facts,
    known_values,
    names_of,
    note_name,
    read_values,
    typed_of,
)
from kench.cabinet.signing.content import SigningContentError
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.acting import TABS, Acting, render_room
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.attaching import remove_numbered
from kench.cabinet.web.forms import Posted, file_of, text_of
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import go
from kench.cabinet.web.paths import Before, Number
from kench.cabinet.web.report_files import (
    decided_response,
    filed_response,
    paper_response,
    read_filed,
)
from kench.cabinet.web.report_view import REPORT_STATES, STATE_TONES, View, tone_of
from kench.cabinet.web.rooms.notices import Owning
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at

SHOWN = 24
SAID["report_filed"] = Said(N_("The report is signed and filed."))
TABS.append(Tab("reports", N_("Reports")))
Version = Annotated[int | None, Query(ge=1, le=FILINGS_MAX)]

room = APIRouter()


@room.get("/p/{participant_id}/reports")
def show_reports(
    request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting, before: Before = FIRST
) -> Response:
    """List them: what is due and until when, what was filed."""
    with cabinet.reading.connect() as db:
        lines = reports_of(db, acts.participant_id, before=before, at_most=SHOWN + 1)
        named = {(one.kind, one.form_version) for one in lines[:SHOWN]}
        titles = {key: form_of(db, *key).form.title for key in named}
    return render_room(
        request, visit, acts, "reports/list.html", lines=lines[:SHOWN],
        titles={key: title.said(visit.language.value) for key, title in titles.items()},
        left=_left(cabinet, visit, lines), near=NEAR_WORKING_DAYS, states=REPORT_STATES,
        tones=STATE_TONES, today=day_at(visit.now_us), tone_of=tone_of,
        older=lines[SHOWN - 1].id if len(lines) > SHOWN else None,
    )  # fmt: skip


@room.get("/p/{participant_id}/reports/{number}")
def show_report(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Acting,
    number: Number,
    correct: bool = False,
) -> Response:
    """Show one: the form to fill in, or what was filed."""
    with cabinet.engine.connect() as db:
        report = _own(read_report(db, number), acts)
        draft = read_report_draft(db, login.person.id, acts.participant_id, number)
        may_type = acts.role is PeopleRole.OWNER and (report.version or 0) < FILINGS_MAX
        typing = may_type and (report.is_open or correct or draft is not None)
        if typing:
            draft = draft or _begun(db, report)
            return _form_page(request, cabinet, visit, db, acts, report, draft, [])
        return _filed_page(request, cabinet, visit, db, acts, report, may_correct=may_type)


@room.post("/p/{participant_id}/reports/{number}")
def change_report(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Owning,
    number: Number,
    form: Posted,
) -> Response:
    """Keep what was typed, and do what the button says."""
    do, who, person = text_of(form, "do"), acts.participant_id, login.person.id
    here = f"/p/{who}/reports/{number}"
    with cabinet.engine.begin() as db:
        report = _own(read_report(db, number), acts)
        if (report.version or 0) >= FILINGS_MAX:
            raise HTTPException(409)
        if do == "discard":
            drop_report_draft(db, person, who, number)
            return go(here, "saved")
        draft = read_report_draft(db, person, who, number) or _begun(db, report)
        facts = facts_of(db, number)
        chosen = _chosen(forms_of_report(db, report), text_of(form, "form") or draft.form)
        draft.typed |= {
            name: text_of(form, name)[:longest]
            for name, longest in names_of(chosen.form, facts)
            if name in form
        }
        # A box that is not ticked is not sent at all.
        draft.typed |= {
            name: "" for name in form.getlist("boxes") if isinstance(name, str) and name not in form
        }
        draft.form = chosen.form.kind
        if do in {"full", "simple"}:
            forms = forms_of_report(db, report)
            draft.form = forms[-1 if do == "simple" else 0].form.kind
        elif do.startswith("remove-file-"):
            remove_numbered(draft.papers, do)
        gaps = _take_paper(db, visit, person, draft, chosen, form)
        save_report_draft(db, person, who, number, draft, visit.now_us)
        if gaps:
            return _form_page(request, cabinet, visit, db, acts, report, draft, gaps, status=422)
        if do == "sign":
            read = _read(report, draft, chosen, facts, visit)
            if not isinstance(read, Filing):
                return _form_page(
                    request, cabinet, visit, db, acts, report, draft, read, status=422
                )
            body = filing_body(
                read, chosen.form, acts.name, visit.language.value, visit.words.gettext
            )
            try:
                return ask_signature(
                    cabinet, visit, login, db, Purpose.REPORT, f"report {number}", body
                )
            except SigningContentError:
                gaps = [Gap("form", N_("The report is too long to be signed: shorten its texts"))]
                return _form_page(
                    request, cabinet, visit, db, acts, report, draft, gaps, status=422
                )
    return go(here + ("#papers" if "file" in do or do == "upload" else ""), "saved")


@room.get("/p/{participant_id}/reports/{number}/filed.{form}")
def keep_filed(  # noqa: PLR0913, PLR0917 - who asks for which, and whose turn it is
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    acts: Acting,
    turn: Turn,
    number: Number,
    form: str,
    version: Version = None,
) -> Response:
    """Give a version that was filed as a file, the newest if none is named."""
    with turn:
        with cabinet.engine.connect() as db:
            filed = read_filed(db, _own(read_report(db, number), acts), version)
        return filed_response(request, visit, filed, form)


@room.get("/p/{participant_id}/reports/{number}/decision.json")
def keep_decision(
    cabinet: CabinetHere, acts: Acting, number: Number, version: Version = None
) -> Response:
    """Give what an officer signed of a version, the newest that was decided if none is named."""
    with cabinet.engine.connect() as db:
        return decided_response(db, _own(read_report(db, number), acts), version)


@room.get("/p/{participant_id}/reports/{number}/documents/{document}")
def get_document(cabinet: CabinetHere, acts: Acting, number: Number, document: int) -> Response:
    """Hand out a document of what was filed last."""
    with cabinet.engine.connect() as db:
        filed = read_filed(db, _own(read_report(db, number), acts))
        return paper_response(db, list(filed.filing.papers), document)


@room.get("/p/{participant_id}/reports/{number}/draft/documents/{document}")
def get_draft_document(
    cabinet: CabinetHere, login: Entered, acts: Owning, number: Number, document: int
) -> Response:
    """Hand out a document of the own draft."""
    with cabinet.engine.connect() as db:
        _own(read_report(db, number), acts)
        draft = read_report_draft(db, login.person.id, acts.participant_id, number)
        return paper_response(db, draft.papers if draft else [], document)


def _own(report: ReportLine | None, acts: ActsFor) -> ReportLine:
    if report is None or report.participant_id != acts.participant_id:
        raise HTTPException(404)
    return report


def _left(cabinet: Cabinet, visit: Visit, lines: list[ReportLine]) -> dict[int, int]:
    """Working days that are left of each that waits for the participant."""
    calendar, today = calendar_of(cabinet, visit.now_us), day_at(visit.now_us)
    return {
        one.id: calendar.working_days_left(today, one.deadline.day) for one in lines if one.is_open
    }


def _begun(db: sa.Connection, report: ReportLine) -> ReportDraft:
    """A draft that begins with what was filed last, or empty."""
    if report.version is None:
        return ReportDraft(form=report.kind)
    line = filings_of(db, report.id)[-1]
    filing, _ = signed_filing(db, line)
    stored = _chosen(forms_of_report(db, report), filing.form)
    facts = facts_of(db, report.id)
    notes = {note_name(key): note for key, note in filing.notes.items()}
    return ReportDraft(
        form=stored.form.kind,
        typed=typed_of(stored.form, facts, filing.contents) | notes,
        papers=list(filing.papers),
    )


def _chosen(forms: list[StoredForm], kind: str) -> StoredForm:
    return next((one for one in forms if one.form.kind == kind), forms[0])


def _take_paper(  # noqa: PLR0913, PLR0917 - whose, of what
    db: sa.Connection,
    visit: Visit,
    person_id: int,
    draft: ReportDraft,
    stored: StoredForm,
    form: Posted,
) -> list[Gap]:
    """Keep the file that came with the form, if one did; return why it is not taken."""
    file = file_of(form, "file")
    if file is None:
        return []
    content = file.file.read(ATTACHMENT_BYTES_MAX + 1)
    made = paper_of(
        stored.form, text_of(form, "file_part"), file.filename or "", content, draft.papers
    )
    if isinstance(made, PaperRefusal):
        return [Gap("file", PAPER_REFUSALS[made])]
    if not keep_upload(
        db, person_id, content,
        name=made.name, media_type=made.media_type, now_us=visit.now_us,
    ):  # fmt: skip
        return [Gap("file", PAPER_REFUSALS[PaperRefusal.SPACE_USED])]
    draft.papers.append(made)
    return []


def _read(
    report: ReportLine, draft: ReportDraft, stored: StoredForm, facts: Facts, visit: Visit
) -> Filing | list[Gap]:
    """What is signed; or all that is missing."""
    language = visit.language.value
    values, notes, gaps = read_values(stored.form, facts, draft.typed, language)
    gaps += check_papers(stored.form, draft.papers, language)
    return gaps or Filing(
        report.id, report.participant_id, report.kind, report.period, stored.form.kind,
        stored.form.version, stored.sha256.hex(), (report.version or 0) + 1, values, notes,
        tuple(draft.papers),
    )  # fmt: skip


def _form_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    db: sa.Connection,
    acts: ActsFor,
    report: ReportLine,
    draft: ReportDraft,
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    forms, language = forms_of_report(db, report), visit.language.value
    stored, facts = _chosen(forms, draft.form), facts_of(db, report.id)
    return render_room(
        request, visit, acts, "reports/form.html", status=status, report=report,
        form=stored.form, title=stored.form.title.said(language),
        intro=stored.form.intro.said(language), statement=stored.form.statement.said(language),
        shown=View(visit.language).typing(stored.form, facts, draft.typed), draft=draft,
        choice=[one.form.title.said(language) for one in forms],
        is_first_form=stored.form.kind == forms[0].form.kind,
        labels={one.key: one.label.said(language) for one in stored.form.files},
        history=filings_of(db, report.id), gaps=gaps, wrong={gap.field for gap in gaps},
        words=visit.words.gettext, left=_left(cabinet, visit, [report]).get(report.id),
        near=NEAR_WORKING_DAYS, states=REPORT_STATES, tones=STATE_TONES,
    )  # fmt: skip


def _filed_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    db: sa.Connection,
    acts: ActsFor,
    report: ReportLine,
    *,
    may_correct: bool,
) -> Response:
    """A report that was filed; or, to who does not type, what the system knows."""
    view, language = View(visit.language), visit.language.value
    if report.version is None:
        own = forms_of_report(db, report)[0].form
        facts = facts_of(db, report.id)
        parts, filed = view.reading(own, facts, known_values(own, facts), {}), None
    else:
        filed = read_filed(db, report)
        own = filed.form
        parts = view.reading(own, filed.facts, filed.filing.contents, filed.filing.notes)
    return render_room(
        request, visit, acts, "reports/filed_page.html", report=report, form=own,
        title=own.title.said(language), shown=parts, filed=filed, may_correct=may_correct,
        labels={one.key: one.label.said(language) for one in own.files},
        history=filings_of(db, report.id), left=_left(cabinet, visit, [report]).get(report.id),
        near=NEAR_WORKING_DAYS, states=REPORT_STATES, tones=STATE_TONES,
    )  # fmt: skip
