"""Templates of decisions and messages at the desk: listed, written anew, taken out of use."""

from enum import StrEnum
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.desk.templates import (
    TEXT_MAX,
    TITLE_MAX,
    Draft,
    Template,
    TemplateKind,
    TooManyTemplatesError,
    current_templates,
    versions_of,
    write_version,
)
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.decisions import GROUNDS, Ground
from kench.cabinet.registration.fields import line_of, paragraphs_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.paths import Number
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.cabinet.words.languages import Language

DESK_TABS.append(Tab("templates", N_("Templates")))
SAID["template_kept"] = Said(N_("The template is kept; what was there before stays as a version."))
KINDS = {
    TemplateKind.REFUSAL: N_("refusal of a registration"),
    TemplateKind.EXCLUSION: N_("exclusion"),
    TemplateKind.SUSPENSION: N_("suspension by the authorised body"),
    TemplateKind.LIFTING: N_("end of the suspension by the authorised body"),
    TemplateKind.MESSAGE: N_("message to a participant"),
    TemplateKind.CIRCULAR: N_("circular"),
}
FIELDS = ("kind", "ground", "language", "title", "text", "is_used")
_One = TypeVar("_One", bound=StrEnum)

room = APIRouter()


@room.get("/desk/templates")
def show_templates(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer
) -> Response:
    """List the newest version of each."""
    with cabinet.reading.connect() as db:
        templates = current_templates(db)
    return render(
        request, visit, "desk/templates.html", templates=templates, kinds=KINDS, grounds=GROUNDS
    )


@room.get("/desk/templates/new")
def show_new(request: Request, visit: VisitHere, _officer: Officer) -> Response:
    """Show an empty form."""
    typed = {"language": visit.language.value, "is_used": "yes"}
    return _form(request, visit, [], typed, [])


@room.get("/desk/templates/{number}")
def show_template(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show one, with all its versions."""
    with cabinet.reading.connect() as db:
        versions = versions_of(db, number)
    if not versions:
        raise HTTPException(404)
    newest = versions[0]
    typed = {
        "kind": newest.kind, "ground": newest.ground or "", "language": newest.language.value,
        "title": newest.title, "text": newest.text, "is_used": "yes" if newest.is_used else "",
    }  # fmt: skip
    return _form(request, visit, versions, typed, [])


@room.post("/desk/templates/new")
def make(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer, form: Posted
) -> Response:
    """Keep a new template."""
    typed = {name: text_of(form, name) for name in FIELDS}
    draft = _draft(typed)
    if not isinstance(draft, Draft):
        return _form(request, visit, [], typed, draft, status=422)
    try:
        with cabinet.engine.begin() as db:
            number, version = write_version(db, draft, officer.person.id, visit.now_us)
            keep_trail(db, _entry(visit, officer.person.id, officer.id, number, version))
    except TooManyTemplatesError as error:
        raise HTTPException(409) from error
    return go(f"/desk/templates/{number}", "template_kept")


@room.post("/desk/templates/{number}")
def edit(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    number: Number,
    form: Posted,
) -> Response:
    """Keep the next version of a template; its kind, ground and language stay."""
    typed = {name: text_of(form, name) for name in FIELDS}
    with cabinet.engine.begin() as db:
        versions = versions_of(db, number)
        if not versions:
            raise HTTPException(404)
        newest = versions[0]
        typed |= {"kind": newest.kind, "ground": newest.ground or "",
                  "language": newest.language.value}  # fmt: skip
        draft = _draft(typed)
        if not isinstance(draft, Draft):
            return _form(request, visit, versions, typed, draft, status=422)
        _, version = write_version(db, draft, officer.person.id, visit.now_us, number)
        keep_trail(db, _entry(visit, officer.person.id, officer.id, number, version))
    return go(f"/desk/templates/{number}", "template_kept")


def _entry(visit: Visit, person_id: int, login_id: int, number: int, version: int) -> TrailEntry:
    return TrailEntry(
        visit.now_us, "edit_template", DONE, f"template {number} version {version}",
        visit.address, person_id=person_id, login_id=login_id,
    )  # fmt: skip


def _draft(typed: dict[str, str]) -> Draft | list[Gap]:
    kind, language = _of(TemplateKind, typed["kind"]), _of(Language, typed["language"])
    ground = _of(Ground, typed["ground"])
    title = line_of(typed["title"], TITLE_MAX)
    text = paragraphs_of(typed["text"], TEXT_MAX)
    gaps = []
    if kind is None:
        gaps.append(Gap("kind", N_("Choose what it is for")))
    if language is None:
        gaps.append(Gap("language", N_("Choose the language")))
    if kind is TemplateKind.REFUSAL and ground is None:
        gaps.append(Gap("ground", N_("Choose the ground of the refusal")))
    if not title:
        gaps.append(Gap("title", N_("Give it a title of 150 characters at most")))
    if not text:
        gaps.append(Gap("text", N_("Write a text of 4000 characters at most")))
    if gaps or kind is None or language is None or not title or not text:
        return gaps
    return Draft(
        kind, ground if kind is TemplateKind.REFUSAL else None, language, title, text,
        bool(typed["is_used"]),
    )  # fmt: skip


def _of(kind: type[_One], text: str) -> _One | None:
    return next((one for one in kind if one.value == text), None)


def _form(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    versions: list[Template],
    typed: dict[str, str],
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    return render(
        request, visit, "desk/template.html", status=status, versions=versions, typed=typed,
        gaps=gaps, wrong={gap.field for gap in gaps}, words=visit.words.gettext, kinds=KINDS,
        grounds=GROUNDS,
    )  # fmt: skip
