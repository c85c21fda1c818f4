"""The person's own page: for whom one acts, where one is logged in, what was done in one's name."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kench.cabinet.login.logins import Way, end_one, end_others, logins_of
from kench.cabinet.login.people import acts_for
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail, trail_of_person
from kench.cabinet.signing.closing import Refusal
from kench.cabinet.signing.wording import TITLES, Purpose
from kench.cabinet.web.entering import limits_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Entered, Visit, VisitHere
from kench.cabinet.words.catalogues import N_

TRAIL_SHOWN = 30
ACTS = {
    "enter": N_("Entered"),
    "leave": N_("Left"),
    "sign": N_("Signed"),
    "revoked": N_("Login ended: the certificate was revoked"),
    "unserved": N_("Login ended: no officer in service any more"),
    "end_login": N_("Ended a login"),
    "end_logins": N_("Ended all other logins"),
    "add_person": N_("Let somebody act for a participant"),
    "end_person": N_("Ended somebody's acting for a participant"),
}
"""Words of the trail; rooms add theirs."""
OUTCOMES = {
    DONE: N_("done"),
    Refusal.EXPIRED: N_("too late"),
    Refusal.USED: N_("signed already"),
    Refusal.TRIES: N_("too many tries"),
    Refusal.OTHER_LOGIN: N_("other login"),
    Refusal.SIGNATURE: N_("signature refused"),
    Refusal.OTHER_PERSON: N_("signed by somebody else"),
    Refusal.BUSY: N_("busy"),
    Refusal.LIMITED: N_("too many refused"),
}
WAYS = {
    Way.SIGNATURE: N_("signature"),
    Way.CERTIFICATE: N_("certificate"),
    Way.SIGN_ON: N_("the state's sign-on"),
}
SAID["login_ended"] = Said(N_("The login was ended."))
SAID["login_unknown"] = Said(N_("There is no such login any more."), good=False)
SAID["logins_ended"] = Said(N_("All other logins were ended."))

room = APIRouter()


@room.get("/account")
def show_account(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """Show it."""
    with cabinet.engine.connect() as db:
        idle_us = limits_of(cabinet).idle_us
        logins = logins_of(db, login.person.id, idle_us=idle_us, now_us=visit.now_us)
        trail = trail_of_person(db, login.person.id, before_id=before, at_most=TRAIL_SHOWN)
        participants = acts_for(db, login.person.pin)
    return render(
        request,
        visit,
        "account.html",
        login=login,
        logins=[one for one in logins if one.alive],
        participants=participants,
        trail=[(number, entry, _of(entry, visit)) for number, entry in trail],
        older=trail[-1][0] if len(trail) == TRAIL_SHOWN else None,
        acts=ACTS,
        outcomes=OUTCOMES,
        ways=WAYS,
    )


def _of(entry: TrailEntry, visit: Visit) -> str:
    """What an act was about, in words where there are some."""
    first = entry.subject.partition(" ")[0]
    if entry.act == "enter" and first in WAYS:
        return visit.words.gettext(WAYS[Way(first)])
    if entry.act == "sign" and first in TITLES:
        return TITLES[Purpose(first)][visit.language.value]
    return entry.subject


@room.post("/account/logins/{login_id}/end")
def end_a_login(cabinet: CabinetHere, visit: VisitHere, login: Entered, login_id: int) -> Response:
    """End another login of the same person."""
    with cabinet.engine.begin() as db:
        ended = login_id < 2**63 and end_one(db, login, login_id, visit.now_us)
        if ended:
            keep_trail(db, TrailEntry(
                visit.now_us, "end_login", DONE, str(login_id), visit.address,
                person_id=login.person.id, login_id=login.id,
            ))  # fmt: skip
    return go("/account", "login_ended" if ended else "login_unknown")


@room.post("/account/logins/end-others")
def end_other_logins(cabinet: CabinetHere, visit: VisitHere, login: Entered) -> Response:
    """End all logins of the person but this one."""
    with cabinet.engine.begin() as db:
        ended = end_others(db, login, visit.now_us)
        keep_trail(db, TrailEntry(
            visit.now_us, "end_logins", DONE, str(ended), visit.address,
            person_id=login.person.id, login_id=login.id,
        ))  # fmt: skip
    return go("/account", "logins_ended")
