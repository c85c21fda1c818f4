"""The trail at the desk: searched, verified day by day, handed out as a file."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.searching import PAGE, Place, Wanted, place_of, search
from kench.cabinet.registration.fields import day_of
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import render
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.payouts.trail.anchors import read_anchors
from kench.payouts.trail.export import write_export
from kench.payouts.trail.reading import Stretch, stretch_of_day, stretch_of_days, verify_day
from kench.payouts.trail.sealing import count_unsealed, read_head
from kench.pool.calendar import day_at
from kench.pool.register import ID_MAX

DESK_TABS.append(Tab("trail", N_("Trail")))
DAYS_SHOWN = 31
LINES_MAX = 100_000
"""Verified or handed out by one page; more by command."""
ACT_WORDS = {
    "view": N_("opened"), "send": N_("tried to send"), "sign": N_("signed"),
    "enter": N_("entered"), "leave": N_("left"), "grant_role": N_("role given"),
    "end_role": N_("role ended"), "add_officer": N_("officer entered"),
    "end_officer": N_("service ended"), "enter_notice": N_("notice entered"),
    "correct_income": N_("income records corrected"),
    "make_token": N_("token made"), "revoke_token": N_("token revoked"),
}  # fmt: skip
"""What is said instead of an act's short word; others stand as they are."""

room = APIRouter()


@room.get("/desk/trail")
def show_trail(  # noqa: PLR0913, PLR0917 - what is searched for
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    person: Annotated[str, Query(max_length=20)] = "",
    act: Annotated[str, Query(max_length=40)] = "",
    participant: Annotated[str, Query(max_length=10)] = "",
    day: Annotated[str, Query(max_length=10)] = "",
    before: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Show the newest lines that are searched for."""
    typed = {"person": person.strip(), "act": act.strip(), "participant": participant.strip(),
             "day": day.strip()}  # fmt: skip
    wanted = _wanted(typed)
    lines = []
    if wanted is not None:
        with cabinet.reading.connect() as db:
            lines = search(db, wanted, Place.read(before), PAGE + 1)
    return render(
        request, visit, "desk/trail.html", status=422 if wanted is None else 200, typed=typed,
        lines=lines[:PAGE], act_words=ACT_WORDS, understood=wanted is not None, before=before,
        following=place_of(lines[PAGE - 1]).text() if len(lines) > PAGE else None,
    )  # fmt: skip


@room.get("/desk/trail/days")
def show_days(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer
) -> Response:
    """Show the last days, which of them are anchored, and by which key."""
    today = day_at(visit.now_us)
    with cabinet.reading.connect() as db:
        anchors = {anchor.day: anchor for anchor in read_anchors(db, at_most=DAYS_SHOWN)}
        head, unsealed = read_head(db), count_unsealed(db)
    days = [today - timedelta(days=number) for number in range(DAYS_SHOWN)]
    return render(
        request, visit, "desk/trail_days.html", days=days, anchors=anchors, head=head,
        unsealed=unsealed, today=today, days_before=today - timedelta(days=DAYS_SHOWN - 1),
        keys=sorted({anchor.public_key.hex() for anchor in anchors.values()}),
    )  # fmt: skip


@room.get("/desk/trail/days/{day}")
def verify(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, turn: Turn,
    day: date,
) -> Response:  # fmt: skip
    """Check a day's lines against their seals and the day's anchor."""
    if not date(2020, 1, 1) <= day <= day_at(visit.now_us):
        raise HTTPException(404)
    found = None
    with turn, _at_one_moment(cabinet) as db:
        if _is_short(stretch_of_day(db, day)):
            found = verify_day(db, day)
    return render(request, visit, "desk/trail_day.html", day=day, found=found, most=LINES_MAX)


@room.get("/desk/trail/export.zip")
def export(
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    turn: Turn,
    begins: Annotated[str, Query(alias="from", max_length=10)] = "",
    ends: Annotated[str, Query(alias="to", max_length=10)] = "",
) -> Response:
    """Hand out whole days as the ZIP that `kench trail check` checks; by default yesterday."""
    yesterday = day_at(visit.now_us) - timedelta(days=1)
    first, last = (day_of(text) if text else yesterday for text in (begins, ends or begins))
    if first is None or last is None or last < first:
        raise HTTPException(400)
    with turn, _at_one_moment(cabinet) as db, tempfile.TemporaryFile() as file:
        stretch = stretch_of_days(db, first, last)
        if not _is_short(stretch):
            raise HTTPException(413)
        write_export(db, file, stretch, visit.now_us)
        file.seek(0)
        content = file.read()
    return file_response(content, f"trail-{first}-{last}.zip", "application/zip")


@contextmanager
def _at_one_moment(cabinet: Cabinet) -> Iterator[sa.Connection]:
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with cabinet.engine.connect().execution_options(**options) as db:
        yield db


def _is_short(stretch: Stretch) -> bool:
    return stretch.until - stretch.after <= LINES_MAX


def _wanted(typed: dict[str, str]) -> Wanted | None:
    """Read what is searched for; None where it cannot be understood."""
    participant, day = None, None
    if typed["participant"]:
        text = typed["participant"]
        if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= ID_MAX:
            return None
        participant = int(text)
    if typed["day"]:
        day = day_of(typed["day"])
        if day is None or not 2000 <= day.year <= 2200:
            return None
    return Wanted(typed["person"], typed["act"], participant, day)
