"""What may be asked: periods, their records, one participant's, corrections, the register."""

import re
from datetime import date
from functools import partial

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from kench.pool.tax_settings import TaxEndpoint
from kench.tax import reading
from kench.tax.answering import Answer, answer, provider_of
from kench.tax.calls import Call
from kench.tax.problems import Kind, Problem
from kench.tax.queries import (
    DOC_REF,
    PERIOD,
    PIN,
    cursor_after,
    day_of,
    limit_of,
    period_of,
    places_of,
    query_of,
)
from kench.tax.shaping import (
    entry_dict,
    listed_json,
    page_json,
    period_dict,
    plain_json,
    signature_dict,
)

DAYS_MAX = 1100
FIRST_DAY, LAST_DAY = date(2009, 1, 3), date(2099, 12, 31)
STATUS = "status"
"""Where receipts are sent to, which is no record."""

room = APIRouter(prefix="/v1")


@room.get("/periods")
def list_periods(request: Request) -> Response:
    """Each period that was closed once, in its newest state."""
    return answer(request, TaxEndpoint.PERIODS, partial(_periods, request))


@room.get("/periods/{period}")
def show_period(request: Request, period: str) -> Response:
    """One period: each closing and reopening, and what officers signed."""
    return answer(request, TaxEndpoint.PERIODS, partial(_period, request, period))


@room.get("/income-reports")
def list_reports(request: Request) -> Response:
    """The records of a closed period, page by page."""
    return answer(request, TaxEndpoint.REPORTS, partial(_reports, request))


@room.get("/income-reports/{doc_ref}")
def show_report(request: Request, doc_ref: str) -> Response:
    """One record."""
    if doc_ref == STATUS:
        raise HTTPException(405, headers={"Allow": "POST"})
    return answer(request, TaxEndpoint.REPORTS, partial(_report, request, doc_ref))


@room.get("/participants/{pin}/income")
def list_income(request: Request, pin: str) -> Response:
    """The records of the participant that has this tax number, of some days."""
    return answer(request, TaxEndpoint.PARTICIPANTS, partial(_income, request, pin))


@room.get("/corrections")
def list_corrections(request: Request) -> Response:
    """Corrections in the order in which they were released, from a cursor on."""
    return answer(request, TaxEndpoint.CORRECTIONS, partial(_corrections, request))


@room.get("/register-entries")
def list_register(request: Request) -> Response:
    """Entries of the Electronic Register of Miners in force."""
    return answer(request, TaxEndpoint.REGISTER, partial(_register, request))


def _periods(request: Request, db: sa.Connection, _call: Call) -> Answer:
    query_of(request.scope["query_string"], frozenset())
    found = [period_dict(row) for row in reading.newest_closings(db)]
    return Answer(plain_json({"periods": found}))


def _period(request: Request, period: str, db: sa.Connection, _call: Call) -> Answer:
    query_of(request.scope["query_string"], frozenset())
    _check(PERIOD, period)
    closings = {row.version: period_dict(row) for row in reading.closings_of(db, period)}
    if not closings:
        raise Problem(Kind.NOT_FOUND, "this period was not closed yet")
    for row in reading.signatures_of(db, period):
        closings[row.version].setdefault("signatures", []).append(signature_dict(row))
    newest = closings[max(closings)]
    told = {name: value for name, value in newest.items() if name != "signatures"}
    return Answer(plain_json(told | {"closings": list(closings.values())}))


def _reports(request: Request, db: sa.Connection, _call: Call) -> Answer:
    said = query_of(request.scope["query_string"], frozenset({"period", "cursor", "limit"}))
    period = period_of(said)
    limit = limit_of(said, _page_max(request))
    resource = f"reports/{period}"
    (after,) = places_of(said.get("cursor"), resource, 1)
    released = reading.newest_release(db, period)
    if released is None:
        raise Problem(Kind.NOT_FOUND, "this period was not closed yet")
    page = reading.records_of(db, period, after, limit)
    more = len(page.items) == limit and page.last < released.last
    following = cursor_after(resource, page.last) if more else None
    head = {"period": period, "version": released.version}
    return Answer(page_json(head, page.items, following), len(page.items))


def _report(request: Request, doc_ref: str, db: sa.Connection, _call: Call) -> Answer:
    query_of(request.scope["query_string"], frozenset())
    _check(DOC_REF, doc_ref)
    found = reading.record(db, doc_ref)
    if found is None:
        raise Problem(Kind.NOT_FOUND)
    return Answer(found, 1)


def _income(request: Request, pin: str, db: sa.Connection, _call: Call) -> Answer:
    known = frozenset({"from", "to", "cursor", "limit"})
    said = query_of(request.scope["query_string"], known)
    limit = limit_of(said, _page_max(request))
    first, last = day_of(said, "from", FIRST_DAY), day_of(said, "to", LAST_DAY)
    if "from" not in said or "to" not in said or not 0 <= (last - first).days <= DAYS_MAX:
        raise Problem(Kind.BAD_QUERY, f"from and to are days, {DAYS_MAX} apart at most")
    _check(PIN, pin)
    resource = f"income/{first}/{last}"
    (after,) = places_of(said.get("cursor"), resource, 1)
    ids = reading.participants_called(db, pin)
    if not ids:
        raise Problem(Kind.NOT_FOUND)
    page = reading.records_of_participants(db, ids, first, last, after, limit)
    following = cursor_after(resource, page.last) if len(page.items) == limit else None
    return Answer(page_json({}, page.items, following), len(page.items), ids[0])


def _corrections(request: Request, db: sa.Connection, _call: Call) -> Answer:
    said = query_of(request.scope["query_string"], frozenset({"since", "limit"}))
    limit = limit_of(said, _page_max(request))
    serial, after = places_of(said.get("since"), "corrections", 2)
    items, serial, last = reading.corrections_after(db, serial, after, limit)
    # Always there: it is what the next look begins with, however much later.
    following = cursor_after("corrections", serial, last)
    return Answer(page_json({}, items, following), len(items))


def _register(request: Request, db: sa.Connection, _call: Call) -> Answer:
    said = query_of(request.scope["query_string"], frozenset({"cursor", "limit"}))
    limit = limit_of(said, _page_max(request))
    (after,) = places_of(said.get("cursor"), "register", 1)
    rows = reading.register_after(db, after, limit)
    following = cursor_after("register", rows[-1].participant_id) if len(rows) == limit else None
    return Answer(listed_json("entries", [entry_dict(row) for row in rows], following))


def _page_max(request: Request) -> int:
    return provider_of(request).settings.tax_page_max


def _check(pattern: re.Pattern[str], word: str) -> None:
    """See that a word of the path may be one; what cannot be there is not looked for."""
    if not pattern.fullmatch(word):
        raise Problem(Kind.NOT_FOUND)
