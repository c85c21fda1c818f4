"""The public part of the Electronic Register: who takes part, as far as anybody may know.

Of a natural person, whatever it trades as, there is the number and the state and nothing else.
"""

from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from kench.cabinet.access.meter import Meter
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.guard import Allowance, network_of
from kench.cabinet.numbers.kept import ALWAYS, KeptWhileWritten
from kench.cabinet.registration.application import ApplicantKind
from kench.cabinet.registration.states import PARTICIPANT_STATES, ParticipantState
from kench.cabinet.registry.search import PAGE, Found, search_public
from kench.cabinet.registry.words import TYPED_MAX
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import After
from kench.cabinet.web.visit import CabinetHere, Visit, VisitHere
from kench.pool.moments import BISHKEK

KEPT_US = 30 * 1_000_000
"""What was read for one visitor is good for all of the next half minute."""
PAGES_MAX = 256
"""Pages that are kept."""
ASKED = Allowance(60, 1.0)
"""Of one address: so many at once, and one more each second."""
Text = Annotated[str, Query(max_length=TYPED_MAX)]

room = APIRouter()


class PublicEntry(NamedTuple):
    """What everybody may know; empty what nobody may."""

    number: int
    state: ParticipantState
    name: str = ""
    certificate: str = ""
    since: datetime | None = None


class PublicRegister:
    """Pages that were read, and who asks how often; of one process, for any thread."""

    def __init__(self) -> None:
        self._pages: KeptWhileWritten[tuple[str, int], list[PublicEntry]] = KeptWhileWritten(
            PAGES_MAX
        )
        self._asked = Meter(ASKED)

    def page(self, cabinet: Cabinet, visit: Visit, typed: str, after: int) -> list[PublicEntry]:
        """Return a page and the first of the next; 429 where an address asks too often."""
        reading = self._asked.count(network_of(visit.address), cabinet.clock.monotonic())
        if not reading.admitted:
            raise HTTPException(429, headers=reading.headers())

        def read() -> list[PublicEntry]:
            with cabinet.reading.connect() as db:
                found = search_public(db, typed, after=after, at_most=PAGE + 1)
            return [public_of(one) for one in found]

        key = (typed.strip().casefold(), after)
        return self._pages.value(key, ALWAYS, visit.now_us, read, KEPT_US)


def public_of(found: Found) -> PublicEntry:
    """Return what everybody may know of an entry."""
    # By whom somebody is suspended is not everybody's.
    barred = found.state is ParticipantState.BARRED
    state = ParticipantState.SUSPENDED if barred else found.state
    if found.kind is not ApplicantKind.ENTITY:
        return PublicEntry(found.participant_id, state)
    return PublicEntry(found.participant_id, state, found.name, found.certificate, found.since)


@room.get("/register")
def show_register(
    request: Request, cabinet: CabinetHere, visit: VisitHere, q: Text = "", after: After = 0
) -> Response:
    """Show it."""
    register: PublicRegister = request.app.state.public_register
    entries = register.page(cabinet, visit, q, after)
    return render(
        request, visit, "registry/public.html", entries=entries[:PAGE], q=q, is_first=after == 0,
        following=entries[PAGE - 1].number if len(entries) > PAGE else None,
        states=PARTICIPANT_STATES,
    )  # fmt: skip


@room.get("/register.json")
def give_register(
    request: Request, cabinet: CabinetHere, visit: VisitHere, q: Text = "", after: After = 0
) -> Response:
    """Give the same to programs; `next` is the `after` of the page that follows."""
    register: PublicRegister = request.app.state.public_register
    entries = register.page(cabinet, visit, q, after)
    return JSONResponse(
        {
            "entries": [_said(one) for one in entries[:PAGE]],
            "next": entries[PAGE - 1].number if len(entries) > PAGE else None,
        }
    )


def _said(one: PublicEntry) -> dict[str, object]:
    said: dict[str, object] = {"number": one.number, "state": one.state.value}
    if one.since is not None:
        day = one.since.astimezone(BISHKEK).date()
        said |= {"name": one.name, "certificate": one.certificate, "since": day.isoformat()}
    return said
