"""Messages of officers to a participant: written and signed at the desk, opened and answered."""

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.desk.templates import TemplateKind
from kench.cabinet.login.people import ActsFor, PeopleRole
from kench.cabinet.measures.decisions import DECISION_KINDS, decisions_of
from kench.cabinet.messages.circulars import circulars_of
from kench.cabinet.messages.letter import (
    Answer,
    Message,
    answer_body,
    message_body,
    read_answer,
    read_message,
)
from kench.cabinet.messages.store import (
    FIRST,
    MessageLine,
    mark_read,
    messages_of,
    read_message_line,
    readings_of,
    text_of_message,
)
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.acting import TABS, Acting, render_room
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.known import participant_name
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import Before, Number
from kench.cabinet.web.picking import picking_of, text_from
from kench.cabinet.web.rooms.notices import Owning
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, Officer, Registrar, Visit, VisitHere
from kench.cabinet.words.catalogues import N_

SHOWN, CIRCULARS, DECISIONS = 50, 20, 5
SAID["message_sent"] = Said(N_("The message is signed and sent."))
SAID["message_answered"] = Said(N_("Your answer is signed and sent."))
TABS.append(Tab("messages", N_("Messages")))

room = APIRouter()


@room.get("/p/{participant_id}/messages")
def show_messages(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Acting,
    before: Before = FIRST,
    circulars_before: Before = FIRST,
) -> Response:
    """List them and circulars, those that this person has not opened marked."""
    whose, person_id = acts.participant_id, login.person.id
    with cabinet.reading.connect() as db:
        lines = messages_of(db, whose, person_id, before=before, at_most=SHOWN + 1)
        decided = decisions_of(db, whose, person_id, at_most=DECISIONS)
        many = circulars_of(db, whose, person_id, before=circulars_before, at_most=CIRCULARS + 1)
    return render_room(
        request, visit, acts, "messages/list.html", lines=lines[:SHOWN], older=_older(lines),
        circulars=many[:CIRCULARS], decisions=decided, decision_kinds=DECISION_KINDS,
        older_circulars=many[CIRCULARS - 1].id if len(many) > CIRCULARS else None,
    )  # fmt: skip


@room.get("/p/{participant_id}/messages/{number}")
def show_message(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Acting,
    number: Number,
) -> Response:
    """Show one, and keep that this person has opened it."""
    with cabinet.engine.begin() as db:
        line = _own(db, number, acts, login.person.id)
        mark_read(db, number, login.person.id, visit.now_us)
        request.state.unread -= not line.read
        return _message_page(request, visit, acts, db, line, "", [])


@room.post("/p/{participant_id}/messages/{number}/answer")
def answer(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Owning,
    number: Number,
    form: Posted,
) -> Response:
    """Ask an owner for the signature of an answer."""
    typed = text_of(form, "text")
    with cabinet.engine.begin() as db:
        line = _own(db, number, acts, login.person.id)
        if line.answered_at is not None:
            raise HTTPException(409)
        read = read_answer(number, typed)
        if not isinstance(read, Answer):
            return _message_page(request, visit, acts, db, line, typed, read, status=422)
        body = answer_body(read, line.title, visit.words.gettext)
        return ask_signature(cabinet, visit, login, db, Purpose.ANSWER, f"message {number}", body)


@room.get("/desk/participants/{number}/messages")
def show_sent(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Registrar,
    number: Number,
    before: Before = FIRST,
) -> Response:
    """List what was written to a participant, and offer to write."""
    with cabinet.reading.connect() as db:
        chosen, typed = picking_of(db, request, visit, TemplateKind.MESSAGE).chosen, {}
        if chosen is not None:
            text = text_from(visit, chosen, number=number, name=participant_name(db, number))
            typed = {"title": chosen.title, "text": text}
        return _desk_page(request, visit, db, number, before, typed, [])


@room.post("/desk/participants/{number}/messages")
def write(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Registrar,
    number: Number,
    form: Posted,
) -> Response:
    """Ask the officer for the signature of a message."""
    typed = {name: text_of(form, name) for name in ("title", "text")}
    with cabinet.engine.begin() as db:
        name = participant_name(db, number)
        read = read_message(number, typed)
        if not isinstance(read, Message):
            return _desk_page(request, visit, db, number, FIRST, typed, read, status=422)
        body = message_body(read, name, visit.words.gettext)
        subject = f"participant {number}"
        return ask_signature(cabinet, visit, officer, db, Purpose.MESSAGE, subject, body)


@room.get("/desk/messages/{number}")
def show_one(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show a message whole: who opened it, and what was answered."""
    with cabinet.reading.connect() as db:
        line = read_message_line(db, number)
        if line is None:
            raise HTTPException(404)
        text, answered = text_of_message(db, line)
        return render(
            request, visit, "messages/desk_message.html", line=line, text=text, answered=answered,
            readings=readings_of(db, number), name=participant_name(db, line.participant_id),
        )  # fmt: skip


def _own(db: sa.Connection, number: int, acts: ActsFor, person_id: int) -> MessageLine:
    line = read_message_line(db, number, person_id)
    if line is None or line.participant_id != acts.participant_id:
        raise HTTPException(404)
    return line


def _older(lines: list[MessageLine]) -> int | None:
    return lines[SHOWN - 1].id if len(lines) > SHOWN else None


def _message_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    acts: ActsFor,
    db: sa.Connection,
    line: MessageLine,
    typed: str,
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    text, answered = text_of_message(db, line)
    return render_room(
        request, visit, acts, "messages/message.html", status=status, line=line, text=text,
        answered=answered, typed=typed, gaps=gaps, wrong={gap.field for gap in gaps},
        words=visit.words.gettext, may_answer=acts.role is PeopleRole.OWNER and not answered,
    )  # fmt: skip


def _desk_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    db: sa.Connection,
    number: int,
    before: int,
    typed: dict[str, str],
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    name = participant_name(db, number)
    lines = messages_of(db, number, before=before, at_most=SHOWN + 1)
    return render(
        request, visit, "messages/desk.html", status=status, number=number, name=name,
        lines=lines[:SHOWN], older=_older(lines), typed=typed, gaps=gaps,
        wrong={gap.field for gap in gaps}, words=visit.words.gettext,
        picking=picking_of(db, request, visit, TemplateKind.MESSAGE),
    )  # fmt: skip
