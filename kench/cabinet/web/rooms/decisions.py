"""Decisions of the authorised body on a participant: each whole, at the desk and in its cabinet."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.login.people import ActsFor
from kench.cabinet.measures.decisions import (
    DECISION_KINDS,
    FIRST,
    DecisionKind,
    DecisionLine,
    act_of,
    decision_readings,
    decisions_of,
    mark_decision_read,
    read_decision,
)
from kench.cabinet.measures.suspension import SUSPENSION_GROUNDS, Lifting, Suspension
from kench.cabinet.numbers.earnings import read_stages
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.decisions import Exclusion
from kench.cabinet.registration.membership import state_of
from kench.cabinet.registration.states import PARTICIPANT_STATES
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.web.acting import MONEY_ROLES, TABS, Acting, render_room
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import Before, Number
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, Officer, VisitHere
from kench.cabinet.words.catalogues import N_

SHOWN = 50
TABS.append(Tab("decisions", N_("Decisions")))
_DATA: dict[DecisionKind, Any] = {
    DecisionKind.EXCLUSION: Exclusion,
    DecisionKind.SUSPENSION: Suspension,
    DecisionKind.LIFTING: Lifting,
}

room = APIRouter()


@room.get("/p/{participant_id}/decisions")
def show_decisions(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Acting,
    before: Before = FIRST,
) -> Response:
    """List them, those that this person has not opened marked."""
    whose = acts.participant_id
    with cabinet.reading.connect() as db:
        lines = decisions_of(db, whose, login.person.id, before=before, at_most=SHOWN + 1)
        state = state_of(db, whose)
    return render_room(
        request, visit, acts, "measures/decisions.html", lines=lines[:SHOWN], state=state,
        older=lines[SHOWN - 1].id if len(lines) > SHOWN else None, kinds=DECISION_KINDS,
        states=PARTICIPANT_STATES,
    )  # fmt: skip


@room.get("/p/{participant_id}/decisions/{number}")
def show_decision(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Acting,
    number: Number,
) -> Response:
    """Show one whole, and keep that this person has opened it."""
    with cabinet.engine.begin() as db:
        line = _own(db, number, acts, login.person.id)
        mark_decision_read(db, number, login.person.id, visit.now_us)
        request.state.unread -= not line.read
        stages = None
        if acts.role in MONEY_ROLES:
            stages = read_stages(db, [acts.participant_id])[acts.participant_id]
        return render_room(
            request, visit, acts, "measures/decision.html", stages=stages, **_shown(db, line)
        )


@room.get("/p/{participant_id}/decisions/{number}/text.txt")
def keep_text(cabinet: CabinetHere, acts: Acting, number: Number) -> Response:
    """Hand out the bytes that the officer signed."""
    with cabinet.reading.connect() as db:
        return _text(act_of(db, _own(db, number, acts)), number)


@room.get("/p/{participant_id}/decisions/{number}/signature.p7s")
def keep_signature(cabinet: CabinetHere, acts: Acting, number: Number) -> Response:
    """Hand out the officer's signature over them."""
    with cabinet.reading.connect() as db:
        return _signature(act_of(db, _own(db, number, acts)), number)


@room.get("/desk/decisions/{number}")
def show_at_desk(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show one to officers: whole, and who of the participant's people has opened it."""
    with cabinet.reading.connect() as db:
        line = _known(read_decision(db, number))
        return render(
            request, visit, "measures/desk_decision.html", readings=decision_readings(db, number),
            **_shown(db, line),
        )  # fmt: skip


@room.get("/desk/decisions/{number}/text.txt")
def keep_text_at_desk(cabinet: CabinetHere, _officer: Officer, number: Number) -> Response:
    """Hand out the bytes that were signed."""
    with cabinet.reading.connect() as db:
        return _text(act_of(db, _known(read_decision(db, number))), number)


@room.get("/desk/decisions/{number}/signature.p7s")
def keep_signature_at_desk(cabinet: CabinetHere, _officer: Officer, number: Number) -> Response:
    """Hand out the signature over them."""
    with cabinet.reading.connect() as db:
        return _signature(act_of(db, _known(read_decision(db, number))), number)


def _own(
    db: sa.Connection, number: int, acts: ActsFor, person_id: int | None = None
) -> DecisionLine:
    line = read_decision(db, number, person_id)
    if line is None or line.participant_id != acts.participant_id:
        raise HTTPException(404)
    return line


def _known(line: DecisionLine | None) -> DecisionLine:
    if line is None:
        raise HTTPException(404)
    return line


def _shown(db: sa.Connection, line: DecisionLine) -> dict[str, Any]:
    act = act_of(db, line)
    return {
        "line": line, "act": act, "data": data_of(act.content, _DATA[line.kind]),
        "title": DECISION_KINDS[line.kind], "grounds": SUSPENSION_GROUNDS,
    }  # fmt: skip


def _text(act: SignedAct, number: int) -> Response:
    return file_response(act.content, f"decision-{number}.txt", "text/plain; charset=utf-8")


def _signature(act: SignedAct, number: int) -> Response:
    return file_response(act.signature, f"decision-{number}.txt.p7s", "application/pkcs7-signature")
