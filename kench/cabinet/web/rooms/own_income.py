"""A participant's income as the tax service is told of it: months, days, the documents."""

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.income.listing import contents_of, list_records, months_of
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.making import Turn
from kench.cabinet.web.money import month_of
from kench.cabinet.web.rooms.income import TYPES
from kench.cabinet.web.spreadsheets import CSV, csv_of
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.payouts.income.record import read_record
from kench.payouts.income.tables import SUMS

MONTHS_SHOWN = 60
DOCUMENTS_MAX = 500
"""A month has thirty-one days, and corrections are few."""
HEADINGS = ("doc_ref", "doc_type", "corrects", "day", "asset", *SUMS)

room = APIRouter()


@room.get("/p/{participant_id}/income")
def show(
    request: Request,
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    month: Annotated[str | None, Query(max_length=7)] = None,
) -> Response:
    """Show the months, and the days of one."""
    who = acting.participant_id
    with cabinet.reading.connect() as db:
        months = months_of(db, who, MONTHS_SHOWN)
        newest = months[0].period if months else None
        period = month_of(month or newest, visit.now_us)
        days = list_records(db, period.name, participant_id=who, most=DOCUMENTS_MAX)
    return render_room(
        request, visit, acting, "income/own.html", months=months, period=period,
        days=sorted(days, key=lambda one: (one.day, one.sequence)), types=TYPES,
    )  # fmt: skip


@room.get("/p/{participant_id}/income/{month}.{form}")
def keep(  # noqa: PLR0913, PLR0917 - who asks for which, and whose turn it is
    visit: VisitHere, cabinet: CabinetHere, acting: Acting, turn: Turn, month: str, form: str
) -> Response:
    """Give a month's documents, as they are handed over or as a table."""
    if form not in FORMS:
        raise HTTPException(404)
    media_type, form_of = FORMS[form]
    period = month_of(month, visit.now_us)
    with turn, cabinet.reading.connect() as db:
        contents = contents_of(db, period.name, acting.participant_id, DOCUMENTS_MAX)
    name = f"kench-income-{acting.participant_id}-{period.name}.{form}"
    return file_response(form_of(contents), name, media_type)


def _json(contents: Sequence[bytes]) -> bytes:
    """Return the very bytes of the documents, as one array."""
    return b"[" + b",\n".join(contents) + b"]\n"


def _table(contents: Sequence[bytes]) -> bytes:
    records = [read_record(content) for content in contents]
    return csv_of(
        HEADINGS,
        [
            [one.doc_ref, one.doc_type.value, one.corrects or "", one.day.isoformat(), one.asset,
             *(getattr(one.totals, name) for name in SUMS)]
            for one in records
        ],
    )  # fmt: skip


FORMS: dict[str, tuple[str, Callable[[Sequence[bytes]], bytes]]] = {
    "json": ("application/json", _json),
    "csv": (CSV, _table),
}
