"""The officers' lists: what waits for them, the most urgent first, page by page."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.queues import read_queues
from kench.cabinet.registration.cases import FIRST, Case, closed_cases, open_cases
from kench.cabinet.registration.notice_store import NoticeCase, next_notices
from kench.cabinet.registration.notices import NOTICE_KINDS
from kench.cabinet.registration.officers import REGISTRAR
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.registration.waiting import PAGE, count_waiting
from kench.cabinet.web.officer_words import OFFICER_ROLES
from kench.cabinet.web.pages import render
from kench.cabinet.web.rooms.applications import NEAR_DAYS, STATES
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.pool.calendar import day_at
from kench.pool.orders.officer_roles import OfficerRole

AT_DESK = 20
"""Of each list on the desk itself."""
After = Annotated[int | None, Query(gt=0, lt=FIRST)]

room = APIRouter()


@room.get("/desk")
def show_desk(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer
) -> Response:
    """Show the officer's queues; to registrars the beginning of their lists too."""
    today, calendar = day_at(visit.now_us), calendar_of(cabinet, visit.now_us)
    lists = not officer.roles.isdisjoint(REGISTRAR)
    with cabinet.reading.connect() as db:
        queues = list(read_queues(db, officer.roles, calendar, today))
        cases = open_cases(db, at_most=AT_DESK) if lists else []
        notices = next_notices(db, at_most=AT_DESK) if lists else []
    return _page(
        request, cabinet, visit, "registration/desk.html", cases, notices, queues=queues,
        more_cases=len(cases) == AT_DESK, more_notices=len(notices) == AT_DESK,
        duties=[OFFICER_ROLES[one] for one in OfficerRole if one in officer.roles],
    )  # fmt: skip


@room.get("/desk/applications")
def show_applications(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, after: After = None
) -> Response:
    """Show a page of the applications that wait."""
    with cabinet.reading.connect() as db:
        waiting = count_waiting(db, day_at(visit.now_us))
        cases = open_cases(db, after=after, at_most=PAGE + 1)
    return _page(
        request, cabinet, visit, "registration/desk_applications.html", cases[:PAGE], [],
        count=waiting.applications, is_first=after is None,
        following=cases[PAGE - 1].id if len(cases) > PAGE else None,
    )  # fmt: skip


@room.get("/desk/notices")
def show_notices(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, after: After = None
) -> Response:
    """Show a page of the notices that wait."""
    with cabinet.reading.connect() as db:
        waiting = count_waiting(db, day_at(visit.now_us))
        notices = next_notices(db, after=after, at_most=PAGE + 1)
    return _page(
        request, cabinet, visit, "registration/desk_notices.html", [], notices[:PAGE],
        count=waiting.notices, is_first=after is None,
        following=notices[PAGE - 1].id if len(notices) > PAGE else None,
    )  # fmt: skip


@room.get("/desk/closed")
def show_closed(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    before: Annotated[int, Query(gt=0, le=FIRST)] = FIRST,
) -> Response:
    """Show a page of the applications that are decided or withdrawn."""
    with cabinet.reading.connect() as db:
        closed = closed_cases(db, before=before, at_most=PAGE + 1)
    return _page(
        request, cabinet, visit, "registration/desk_closed.html", [], [], closed=closed[:PAGE],
        is_first=before == FIRST, following=closed[PAGE - 1].id if len(closed) > PAGE else None,
    )  # fmt: skip


def _page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    name: str,
    cases: list[Case],
    notices: list[NoticeCase],
    **values: Any,
) -> Response:
    calendar, today = calendar_of(cabinet, visit.now_us), day_at(visit.now_us)
    left = {case.id: calendar.working_days_left(today, case.deadline.day) for case in cases}
    enter_left = {
        case.id: calendar.working_days_left(today, case.enter_by.day)
        for case in notices
        if case.enter_by is not None
    }
    return render(
        request, visit, name, cases=cases, notices=notices, left=left, enter_left=enter_left,
        states=STATES, notice_kinds=NOTICE_KINDS, near=NEAR_DAYS, **values,
    )  # fmt: skip
