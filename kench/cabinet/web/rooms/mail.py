"""What a letter's link opens: the owner of an address says yes or no to letters.

The link's secret is in the address, so nothing happens by opening it: programs that look at the
links of letters open them too. So that it gets nowhere else, no other page is told of it, and no
link of this page has it.
"""

import dataclasses

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.alerts.addresses import SECRET_BYTES, find_link, use_link
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import render
from kench.cabinet.web.visit import CabinetHere, Visit, VisitHere
from kench.cabinet.words.languages import language_of

HEADERS = {"Referrer-Policy": "strict-origin"}
"""Not `no-referrer`: forms must still say from which site they come."""

room = APIRouter()


@room.get("/mail/{mail_key}")
def ask(
    request: Request, cabinet: CabinetHere, visit: VisitHere, mail_key: str, language: str = ""
) -> Response:
    """Say which address it is about, and ask."""
    visit = _hidden(request, visit, mail_key, language)
    with cabinet.engine.begin() as db:
        link = find_link(db, mail_key, visit.now_us)
    if link is None:
        raise HTTPException(404, headers=HEADERS)
    return render(
        request, visit, "mail.html", headers=HEADERS, address=link.address, mail_key=mail_key,
        wanted=None,
    )  # fmt: skip


@room.post("/mail/{mail_key}")
def answer(
    request: Request, cabinet: CabinetHere, visit: VisitHere, mail_key: str, form: Posted
) -> Response:
    """Keep what was said; the link is used then."""
    visit = _hidden(request, visit, mail_key, text_of(form, "language"))
    said = text_of(form, "do")
    with cabinet.engine.begin() as db:
        link = find_link(db, mail_key, visit.now_us)
        if link is None:
            raise HTTPException(404, headers=HEADERS)
        if said not in {"yes", "no"}:
            raise HTTPException(400, headers=HEADERS)
        wanted = said == "yes"
        use_link(db, link, visit.now_us, wanted=wanted)
        keep_trail(db, TrailEntry(
            visit.now_us, "confirm_address" if wanted else "refuse_address", DONE,
            f"address {link.address_id}", visit.address,
        ))  # fmt: skip
    return render(
        request, visit, "mail.html", headers=HEADERS, address=link.address, mail_key="",
        wanted=wanted,
    )  # fmt: skip


def _hidden(request: Request, visit: Visit, mail_key: str, language: str) -> Visit:
    """The visit without its path, in which the secret is; 404 where there is none."""
    hidden = dataclasses.replace(visit, path="/", language=language_of(language) or visit.language)
    request.state.visit = hidden
    if len(mail_key) != 2 * SECRET_BYTES or not mail_key.isascii():
        raise HTTPException(404, headers=HEADERS)
    return hidden
