"""Tokens of a participant's machines: made with a label, shown once, revoked each by itself."""

from collections.abc import Sequence
from typing import NoReturn

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.login.tables import persons
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.instructions import WORKER_SHOWN
from kench.cabinet.registration.membership import state_of
from kench.cabinet.registration.states import OPEN_STATES
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of
from kench.pool.register import ID_MAX
from kench.pool.tokens import (
    LABEL_MAX,
    MADE_A_DAY_MAX,
    TOKENS_MAX,
    Token,
    TokenRefusal,
    make_token,
    revoke_token,
    tokens_of,
)

SAID["token_revoked"] = Said(N_("The token is revoked: machines that came in by it are cut off."))
SAID["token_gone"] = Said(N_("No such token is in force."), good=False)
SAID[f"token_{TokenRefusal.LABEL}"] = Said(
    N_("Give it a name of at most 60 letters, by which you know it again."), good=False
)
SAID[f"token_{TokenRefusal.LIMIT}"] = Said(
    N_("There are as many tokens as one participant may have: revoke one first."), good=False
)
SAID[f"token_{TokenRefusal.TOO_MANY_TODAY}"] = Said(
    N_("Too many tokens were made within a day: make further ones tomorrow."), good=False
)

room = APIRouter()


@room.get("/p/{participant_id}/tokens")
def show_tokens(request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting) -> Response:
    """Show which tokens there are, and how to make one; never a token itself."""
    with cabinet.engine.connect() as db:
        tokens = tokens_of(db, acts.participant_id)
        may_make = state_of(db, acts.participant_id) in OPEN_STATES
        names = _names_of(db, tokens)
    return render_room(
        request, visit, acts, "participant/tokens.html",
        tokens=tokens, names=names, may_make=may_make,
        label_max=LABEL_MAX, tokens_max=TOKENS_MAX, made_a_day_max=MADE_A_DAY_MAX,
    )  # fmt: skip


@room.post("/p/{participant_id}/tokens")
def make(  # noqa: PLR0913, PLR0917 - what FastAPI hands over
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Acting,
    form: Posted,
) -> Response:
    """Make one, and show it this once."""
    whose, label = acts.participant_id, text_of(form, "label").strip()
    with cabinet.engine.begin() as db:
        if state_of(db, whose) not in OPEN_STATES:
            _refuse()
        made = make_token(
            db, whose, label, made_by=login.person.id, at=moment_of(visit.now_us),
            random_bytes=cabinet.random_bytes,
        )  # fmt: skip
        outcome = made.value if isinstance(made, TokenRefusal) else DONE
        keep_trail(db, TrailEntry(
            visit.now_us, "make_token", outcome, f"participant {whose}", visit.address, label,
            login.person.id, login.id,
        ))  # fmt: skip
    if isinstance(made, TokenRefusal):
        return go(f"/p/{whose}/tokens", f"token_{made}")
    return render_room(
        request, visit, acts, "participant/token_made.html",
        label=label, shown=made, login_name=f"{whose}.{WORKER_SHOWN}",
    )  # fmt: skip


@room.get("/p/{participant_id}/tokens/{token_id}/revoke")
def ask_to_revoke(
    request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting, token_id: int
) -> Response:
    """Ask whether it is meant, since machines stop."""
    with cabinet.engine.connect() as db:
        found = [one for one in tokens_of(db, acts.participant_id) if one.id == token_id]
        names = _names_of(db, found)
    if not found or found[0].revoked_at is not None:
        _refuse()
    return render_room(
        request, visit, acts, "participant/token_revoke.html", token=found[0], names=names
    )


@room.post("/p/{participant_id}/tokens/{token_id}/revoke")
def revoke(
    cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Acting, token_id: int
) -> Response:
    """Revoke one: sessions that came in by it end within two seconds."""
    if not 0 < token_id <= ID_MAX:
        _refuse()
    with cabinet.engine.begin() as db:
        done = revoke_token(
            db, acts.participant_id, token_id,
            revoked_by=login.person.id, at=moment_of(visit.now_us),
        )  # fmt: skip
        keep_trail(db, TrailEntry(
            visit.now_us, "revoke_token", DONE if done else "unknown",
            f"participant {acts.participant_id} {token_id}", visit.address,
            person_id=login.person.id, login_id=login.id,
        ))  # fmt: skip
    return go(f"/p/{acts.participant_id}/tokens", "token_revoked" if done else "token_gone")


def _names_of(db: sa.Connection, tokens: Sequence[Token]) -> dict[int, str]:
    """Who made and revoked them, by name."""
    people = {one for token in tokens for one in (token.made_by, token.revoked_by)} - {None}
    if not people:
        return {}
    rows = db.execute(sa.select(persons.c.id, persons.c.name).where(persons.c.id.in_(people)))
    return {row.id: row.name for row in rows}


def _refuse() -> NoReturn:
    raise HTTPException(404)
