"""Statements: a month as PDF/A, XLSX, CSV and JSON, tied to the ledger or not given."""

from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.numbers.earnings import first_found
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.making import Turn
from kench.cabinet.web.money import month_of, months_since
from kench.cabinet.web.spreadsheets import CSV, XLSX
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.payouts.statements.pdf import PdfMissingError, name_of, pdf_of
from kench.payouts.statements.read import read_statement
from kench.payouts.statements.sheets import csv_of, xlsx_of
from kench.payouts.statements.statement import Period, Statement, StatementError
from kench.payouts.statements.texts import Language

FORMS: dict[str, tuple[str, Callable[[Statement, Language], bytes]]] = {
    "pdf": ("application/pdf", pdf_of),
    "xlsx": (XLSX, lambda statement, _: xlsx_of(statement)),
    "csv": (CSV, lambda statement, _: csv_of(statement)),
    "json": ("application/json", lambda statement, _: statement.canonical()),
}

room = APIRouter()


@room.get("/p/{participant_id}/statements")
def show_statements(
    request: Request, visit: VisitHere, cabinet: CabinetHere, acting: Acting
) -> Response:
    """Show the months."""
    with cabinet.engine.connect() as db:
        months = months_since(first_found(db, acting.participant_id), visit.now_us)
    return render_room(
        request, visit, acting, "money/statements.html", months=months, forms=tuple(FORMS)
    )


@room.get("/p/{participant_id}/statements/{month}.{form}")
def keep_statement(  # noqa: PLR0913, PLR0917 - who asks for which, and whose turn it is
    visit: VisitHere, cabinet: CabinetHere, acting: Acting, turn: Turn, month: str, form: str
) -> Response:
    """Give a month in one form."""
    if form not in FORMS:
        raise HTTPException(404)
    media_type, form_of = FORMS[form]
    period = month_of(month, visit.now_us)
    with turn:
        statement = _read(cabinet.engine, acting.participant_id, period)
        try:
            content = form_of(statement, visit.language.value)
        except PdfMissingError as error:
            raise HTTPException(503) from error
    return file_response(content, f"{name_of(statement)}.{form}", media_type)


def _read(engine: sa.Engine, participant_id: int, period: Period) -> Statement:
    # Everything is read as of one moment, while the pool works on.
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as db:
        # The database's time is that of its rows.
        now: datetime = db.execute(sa.select(sa.func.now())).scalar_one()
        if now < period.begins:
            raise HTTPException(404)
        try:
            return read_statement(db, participant_id, period, now.astimezone(UTC))
        except StatementError as error:
            raise HTTPException(413) from error
