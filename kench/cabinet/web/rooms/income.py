"""Income at the desk: periods, what they hold, closing and opening them, single records."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import IO, Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.income.listing import FIRST, list_records, receipts_of, receipts_of_period
from kench.cabinet.income.queue import due_of
from kench.cabinet.income.signing import (
    ORDERS,
    SUMS,
    check_current,
    period_body,
    subject_of,
    waiting_acts,
)
from kench.cabinet.login.logins import Login
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.fields import integer_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.downloads import zip_response
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere, acting
from kench.cabinet.words.catalogues import N_
from kench.payouts.income.archive import How, export_zip
from kench.payouts.income.correct import correct, correction_of, history_of
from kench.payouts.income.errors import IncomeError, OrderNotInForceError
from kench.payouts.income.periods import (
    REASON_MAX,
    Kind,
    PeriodAct,
    State,
    closing_of,
    list_periods,
    period_state,
    reopening_of,
)
from kench.payouts.income.reconcile import Gap, compare
from kench.payouts.statements.statement import StatementError
from kench.pool.calendar import day_at
from kench.pool.moments import moment_of
from kench.pool.orders.document import NUMBER_MAX as ORDER_MAX
from kench.pool.orders.officer_roles import OfficerRole
from kench.pool.register import ID_MAX

PERIODS_SHOWN, RECORDS_SHOWN, RECEIPTS_SHOWN, DIFFERENCES_SHOWN = 24, 50, 50, 100
CORRECT = "correct_income"
"""What the trail calls a correction."""
INLINE_RECORDS = 20_000
"""A period of more documents is compared only when it is asked for: that takes seconds."""
STATES = {
    State.OPEN: (N_("open"), ""),
    State.CLOSED: (N_("closed"), "good"),
    State.REOPENED: (N_("opened again"), "warn"),
}
TYPES = {"new": N_("first"), "correct": N_("correction"), "delete": N_("taken back")}
GAPS = {
    Gap.RECORDS_LEDGER: N_("records and ledger"),
    Gap.RECORDS_LINES: N_("records and settlements"),
    Gap.LEDGER_BLOCKS: N_("ledger and blocks"),
    Gap.LEDGER_LINES: N_("ledger and settlements"),
    Gap.LEDGER_LOT: N_("ledger and settlement"),
    Gap.LINES_LOT: N_("settlement and its lines"),
    Gap.LOT_FILLS: N_("settlement and trades"),
    Gap.CONTENT: N_("a document and its row"),
}
SOURCES = {
    "records": N_("Records"), "nobody": N_("Nobody's"), "ledger": N_("Ledger"),
    "books": N_("Blocks and lots"), "fills": N_("Trades"),
}  # fmt: skip
SAID["period_signed"] = Said(N_("Signed. Another officer signs the same, and it is done."))
SAID["period_done"] = Said(N_("Two officers have signed: it is done."))
SAID["record_corrected"] = Said(N_("A further document stands in its place now."))
SAID["record_right"] = Said(
    N_("Books and register say what it says: nothing was written."), good=False
)
SAID["income_refused"] = Said(
    N_("That is not possible now: the period is not over, differs from the books, or is closed."),
    good=False,
)
DESK_TABS.append(Tab("income", N_("Income")))
Period = Annotated[str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
DocRef = Annotated[str, Path(pattern=r"^KG-[0-9-]{1,70}$")]
Before = Annotated[int, Query(gt=0, le=FIRST)]
Whose = Annotated[int | None, Query(ge=1, le=ID_MAX)]
Finance = Annotated[Login, Depends(acting(OfficerRole.FINANCE, OfficerRole.HEAD))]

room = APIRouter()


@room.get("/desk/income")
def show_periods(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    before: Annotated[str, Query(max_length=7)] = "",
) -> Response:
    """List the periods, the newest first."""
    with cabinet.reading.connect() as db:
        names = [name for name in list_periods(db) if not before or name < before]
        periods = [period_state(db, name) for name in names[:PERIODS_SHOWN]]
    return render(
        request, visit, "income/desk.html", periods=periods, states=STATES, due_of=due_of,
        today=day_at(visit.now_us), is_open=State.CLOSED.__ne__,
        older=periods[-1].period if len(names) > PERIODS_SHOWN else None,
    )  # fmt: skip


@room.get("/desk/income/{period}")
def show_period(  # noqa: PLR0913, PLR0917 - who, where, how far
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    period: Period,
    check: Annotated[bool, Query()] = False,
) -> Response:
    """Show what a period holds, how it compares with the books, and what may be done."""
    with cabinet.engine.begin() as db:
        return _period_page(request, visit, db, officer, period, check=check)


@room.post("/desk/income/{period}/close")
def close(cabinet: CabinetHere, visit: VisitHere, officer: Finance, period: Period) -> Response:
    """Ask the officer for the signature of a closing."""
    with cabinet.engine.begin() as db:
        try:
            act = closing_of(db, period, visit.now_us)
        except IncomeError:
            return go(f"/desk/income/{period}", "income_refused")
        return _ask(cabinet, visit, officer, db, act, Purpose.PERIOD)


@room.post("/desk/income/{period}/reopen")
def reopen(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Finance,
    period: Period,
    form: Posted,
) -> Response:
    """Ask the officer for the signature of a reopening, by an order."""
    typed = {name: text_of(form, name) for name in ("order", "reason")}
    order = integer_of(typed["order"], 1, ORDER_MAX) or 0
    with cabinet.engine.begin() as db:
        try:
            act = reopening_of(
                db, period, order, " ".join(typed["reason"].split()), visit.now_us
            )  # fmt: skip
        except IncomeError as error:
            why = SAID["income_refused"].text
            if isinstance(error, OrderNotInForceError):
                why = ORDERS[error.standing]
            return _period_page(request, visit, db, officer, period, typed=typed, refused=why)
        return _ask(cabinet, visit, officer, db, act, Purpose.REOPENING)


@room.post("/desk/income/{period}/agree")
def agree(
    cabinet: CabinetHere, visit: VisitHere, officer: Finance, period: Period, form: Posted
) -> Response:
    """Ask for the second signature of what another officer has signed."""
    given = text_of(form, "act_id")
    with cabinet.engine.begin() as db:
        waiting = waiting_acts(db, period, period_state(db, period).version + 1)
        one = next((one for one in waiting if str(one.pair.act_id) == given), None)
        if one is None:
            raise HTTPException(404)
        try:
            check_current(db, one.data, visit.now_us)
        except ActRefusedError:
            return go(f"/desk/income/{period}", "income_refused")
        purpose = Purpose.PERIOD if one.data.kind is Kind.CLOSED else Purpose.REOPENING
        return _ask(cabinet, visit, officer, db, one.data, purpose)


@room.get("/desk/income/{period}/records")
def show_records(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    period: Period,
    before: Before = FIRST,
    participant: Whose = None,
) -> Response:
    """List a period's documents, or those of one participant."""
    with cabinet.reading.connect() as db:
        lines = list_records(
            db, period, participant_id=participant, before=before, most=RECORDS_SHOWN + 1
        )
    return render(
        request, visit, "income/records.html", period=period, lines=lines[:RECORDS_SHOWN],
        older=lines[RECORDS_SHOWN - 1].sequence if len(lines) > RECORDS_SHOWN else None,
        participant=participant, is_first=before == FIRST, types=TYPES,
    )  # fmt: skip


@room.get("/desk/income/{period}/export.zip")
def export(
    cabinet: CabinetHere, visit: VisitHere, _officer: Finance, turn: Turn, period: Period
) -> Response:
    """Hand over a period's file."""
    how = How.of(cabinet.settings)

    def write(file: IO[bytes]) -> None:
        export_zip(db, period, file, visit.now_us, how)

    with turn, cabinet.engine.begin() as db:
        try:
            return zip_response(write, f"kench-income-{period}.zip")
        except (IncomeError, StatementError) as error:
            raise HTTPException(404) from error


@room.get("/desk/income/records/{doc_ref}")
def show_record(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, doc_ref: DocRef
) -> Response:
    """Show one document, those of the same day, and what a correction would say."""
    with cabinet.engine.begin() as db:
        try:
            history = history_of(db, doc_ref)
        except IncomeError as error:
            raise HTTPException(404) from error
        document = next((one for one in history if one.record.doc_ref == doc_ref), None)
        if document is None:
            raise HTTPException(404)
        closed = period_state(db, document.record.period).state is State.CLOSED
        receipts = receipts_of(db, doc_ref, RECEIPTS_SHOWN)
        is_last = document == history[-1]
        new = correction_of(db, doc_ref) if is_last and not closed else None
    return render(
        request, visit, "income/record.html", document=document, record=document.record,
        history=history, new=new, is_last=is_last, closed=closed, receipts=receipts, sums=SUMS,
        types=TYPES, at=datetime.fromisoformat, decimal=Decimal,
    )  # fmt: skip


@room.post("/desk/income/records/{doc_ref}/correct")
def correct_record(
    cabinet: CabinetHere, visit: VisitHere, officer: Finance, doc_ref: DocRef
) -> Response:
    """Write the document that says what books and register say now."""
    try:
        with cabinet.engine.begin() as db:
            new = correct(db, doc_ref, moment_of(visit.now_us))
            keep_trail(db, TrailEntry(
                visit.now_us, CORRECT, DONE, new.doc_ref, visit.address,
                person_id=officer.person.id, login_id=officer.id,
                participant_id=new.participant.id,
            ))  # fmt: skip
    except IncomeError:
        return go(f"/desk/income/records/{doc_ref}", "record_right")
    return go(f"/desk/income/records/{new.doc_ref}", "record_corrected")


def _period_page(  # noqa: PLR0913 - what the page shows
    request: Request,
    visit: Visit,
    db: sa.Connection,
    officer: Login,
    period: str,
    *,
    check: bool = False,
    typed: Mapping[str, str] = MappingProxyType({}),
    refused: str = "",
) -> Response:
    """A period; with what was typed to open it again, and why that is refused."""
    state = period_state(db, period)
    inline = check or state.summary.records <= INLINE_RECORDS
    return render(
        request, visit, "income/period.html", status=422 if refused else 200, period=state,
        states=STATES, sums=SUMS, sources=SOURCES, gaps=GAPS,
        found=compare(db, period, visit.now_us, with_contents=False) if inline else None,
        differences_shown=DIFFERENCES_SHOWN,
        receipts=receipts_of_period(db, period, RECEIPTS_SHOWN),
        waiting=waiting_acts(db, period, state.version + 1), reason_max=REASON_MAX,
        person_id=officer.person.id, is_over=period < f"{day_at(visit.now_us):%Y-%m}",
        typed=typed, refused=refused,
    )  # fmt: skip


def _ask(  # noqa: PLR0913, PLR0917 - who, where, what
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Login,
    db: sa.Connection,
    act: PeriodAct,
    purpose: Purpose,
) -> Response:
    body = period_body(act, visit.formats, visit.words.gettext)
    return ask_signature(cabinet, visit, officer, db, purpose, subject_of(act), body)
