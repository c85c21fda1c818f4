"""Forms of reports at the desk: those there are, and a new one, looked at before it is signed."""

from typing import Annotated

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.login.logins import Login
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.reports.checking import DOCUMENT, read_form
from kench.cabinet.reports.form import FORM_BYTES_MAX, Form
from kench.cabinet.reports.form_store import check_next, newest_forms, read_stored_form
from kench.cabinet.reports.form_text import DAYS, changes, form_body, pretty
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.forms import Posted, file_of, text_of
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import Number
from kench.cabinet.web.report_view import PartShown, View
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere, acting
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at
from kench.pool.orders.officer_roles import OfficerRole

SAID["form_put"] = Said(N_("The form is signed and comes into force as it says."))
Head = Annotated[Login, Depends(acting(OfficerRole.HEAD))]
"""Who puts forms in."""

room = APIRouter()


@room.get("/desk/reports/forms")
def show_forms(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer
) -> Response:
    """List the forms of each kind, and offer to put one in."""
    with cabinet.reading.connect() as db:
        return _page(request, visit, db, officer, "", [])


@room.post("/desk/reports/forms")
def put_in(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Head, form: Posted
) -> Response:
    """Check a form and show what it would be; or ask for the signature that puts it in."""
    file, typed = file_of(form, "file"), text_of(form, DOCUMENT)
    content = file.file.read(FORM_BYTES_MAX + 1) if file else typed.encode()
    with cabinet.engine.begin() as db:
        read = read_form(content)
        gaps = check_next(db, read, day_at(visit.now_us)) if isinstance(read, Form) else read
        if not isinstance(read, Form) or gaps:
            shown = content.decode(errors="replace") if file else typed
            return _page(request, visit, db, officer, shown, gaps, status=422)
        if text_of(form, "do") == "sign":
            body = form_body(read, visit.language.value, visit.words.gettext)
            subject = f"report form {read.kind} {read.version}"
            return ask_signature(cabinet, visit, officer, db, Purpose.REPORT_FORM, subject, body)
        return _page(request, visit, db, officer, pretty(read), [], read)


@room.get("/desk/reports/forms/{number}")
def show_form(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show one form as a participant sees it, and what changed since the one before."""
    with cabinet.reading.connect() as db:
        stored = read_stored_form(db, number)
        if stored is None:
            raise HTTPException(404)
        before = _before(db, stored.form)
    return render(
        request, visit, "reports/desk_form.html", stored=stored, form=stored.form,
        shown=_shown(stored.form, visit), changes=changes(before, stored.form) if before else [],
        title=stored.form.title.said(visit.language.value), days=DAYS,
        labels={one.key: one.label.said(visit.language.value) for one in stored.form.files},
        intro=stored.form.intro.said(visit.language.value),
        statement=stored.form.statement.said(visit.language.value),
    )  # fmt: skip


@room.get("/desk/reports/forms/{number}/form.json")
def keep_form(cabinet: CabinetHere, _officer: Officer, number: Number) -> Response:
    """Give a form as the document that it is."""
    with cabinet.reading.connect() as db:
        stored = read_stored_form(db, number)
    if stored is None:
        raise HTTPException(404)
    content = msgspec.json.format(pretty(stored.form).encode(), indent=2)
    name = f"{stored.form.kind}-{stored.form.version}.json"
    return file_response(content, name, "application/json")


def _before(db: sa.Connection, form: Form) -> Form | None:
    """The version before a form's, the newest there is of what is not put in yet."""
    versions = [one.form for one in newest_forms(db) if one.form.kind == form.kind]
    return next((one for one in versions if one.version < form.version), None)


def _shown(form: Form, visit: Visit) -> list[PartShown]:
    return View(visit.language).preview(form)


def _page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    db: sa.Connection,
    officer: Login,
    typed: str,
    gaps: list[Gap],
    form: Form | None = None,
    status: int = 200,
) -> Response:
    language = visit.language.value
    return render(
        request, visit, "reports/desk_forms.html", status=status, forms=newest_forms(db),
        language=language, typed=typed, gaps=gaps, wrong={gap.field for gap in gaps},
        words=visit.words.gettext, form=form, may_put=OfficerRole.HEAD in officer.roles,
        shown=_shown(form, visit) if form else [],
        changes=changes(_before(db, form), form) if form else [], longest=FORM_BYTES_MAX,
        today=day_at(visit.now_us), days=DAYS,
    )  # fmt: skip
