"""Applying: a draft that is kept on the server, filled in section by section, signed when whole."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.registration.application import (
    APPLICANT_KINDS,
    DRAFT_FIELDS,
    WAYS,
    Application,
    Draft,
    read_draft,
)
from kench.cabinet.registration.attachments import ATTACHMENT_KINDS, REFUSALS, Attachment
from kench.cabinet.registration.bodies import application_body
from kench.cabinet.registration.documents import read_draft_of, save_draft
from kench.cabinet.registration.equipment import HOLDINGS, ROWS_MAX
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.attaching import FIELD_MAX, place_of, remove_numbered, take_file, typed_rows
from kench.cabinet.web.downloads import attachment_response
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Entered, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at

SAID["saved"] = Said(N_("What you typed is saved."))

room = APIRouter()


@room.get("/apply")
def show_draft(
    request: Request, cabinet: CabinetHere, visit: VisitHere, login: Entered, check: str = ""
) -> Response:
    """Show what was typed so far; with `check`, what is missing too."""
    with cabinet.engine.connect() as db:
        draft = read_draft_of(db, login.person.id)
    read = read_draft(draft, login.person.pin, day_at(visit.now_us)) if check else []
    whole = isinstance(read, Application)
    return _page(request, visit, draft, () if isinstance(read, Application) else read, whole=whole)


@room.post("/apply")
def change_draft(
    request: Request, cabinet: CabinetHere, visit: VisitHere, login: Entered, form: Posted
) -> Response:
    """Keep what was typed, and do what the button says."""
    do = text_of(form, "do")
    with cabinet.engine.begin() as db:
        draft = read_draft_of(db, login.person.id, for_update=True)
        draft.fields = {name: text_of(form, name)[:FIELD_MAX] for name in DRAFT_FIELDS}
        draft.rows = typed_rows(form)
        if do == "add" and len(draft.rows) < ROWS_MAX:
            draft.rows.append({})
        elif do.startswith("remove-row-"):
            remove_numbered(draft.rows, do)
        elif do.startswith("remove-file-"):
            remove_numbered(draft.attachments, do)
        made = take_file(db, visit, login.person.id, len(draft.attachments), form)
        if isinstance(made, Attachment):
            draft.attachments.append(made)
        save_draft(db, login.person.id, draft, visit.now_us)
        if made is not None and not isinstance(made, Attachment):
            return _page(request, visit, draft, [Gap("file", REFUSALS[made])], status=422)
        if do == "sign":
            read = read_draft(draft, login.person.pin, day_at(visit.now_us))
            if not isinstance(read, Application):
                return _page(request, visit, draft, read, status=422)
            body = application_body(read, visit.words.gettext)
            return ask_signature(cabinet, visit, login, db, Purpose.APPLICATION, "", body)
    if do == "check":
        return go("/apply?check=1")
    return go("/apply" + place_of(do), "saved")


@room.get("/apply/documents/{number}")
def get_document(cabinet: CabinetHere, login: Entered, number: int) -> Response:
    """Hand out a document of the own draft."""
    with cabinet.engine.connect() as db:
        draft = read_draft_of(db, login.person.id)
        return attachment_response(db, draft.attachments, number)


def _page(  # noqa: PLR0913 - what the page shows
    request: Request,
    visit: Visit,
    draft: Draft,
    gaps: Sequence[Gap],
    *,
    whole: bool = False,
    status: int = 200,
) -> Response:
    return render(
        request, visit, "registration/apply.html", status=status, draft=draft,
        rows=draft.rows or [{}], gaps=gaps, wrong={gap.field for gap in gaps}, whole=whole,
        ways=WAYS, applicant_kinds=APPLICANT_KINDS, holdings=HOLDINGS,
        attachment_kinds=ATTACHMENT_KINDS, words=visit.words.gettext,
    )  # fmt: skip
