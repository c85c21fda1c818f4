"""Corrections of many income records: what would be written is shown first, then it is done."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.fields import integer_of
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.rooms.income import CORRECT, INLINE_RECORDS, TYPES, Finance, Period, Whose
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Officer, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.payouts.income.errors import IncomeError
from kench.payouts.income.periods import State, period_state
from kench.payouts.income.revise import Matter, revise, survey
from kench.payouts.income.revise import Whose as WhoseRecords
from kench.pool.moments import moment_of
from kench.pool.register import ID_MAX

MATTERS = {
    Matter.NAME: N_("Name"),
    Matter.TAX_NUMBER: N_("Tax number (ИНН)"),
    Matter.CERTIFICATE: N_("Mining certificate"),
    Matter.KIND: N_("Person or company"),
    Matter.ACCRUALS: N_("Mined"),
    Matter.SALES: N_("Sold"),
    Matter.PAYOUTS: N_("Paid out"),
    Matter.WRITE_OFFS: N_("Written off"),
    Matter.RATE: N_("Official rate"),
    Matter.ELECTRICITY: N_("Electricity declared, kWh"),
}
SAID["records_corrected"] = Said(N_("Further documents stand in their place now."))
SAID["records_more"] = Said(
    N_("A part is done: there are more documents to correct, so go on below."), good=False
)

room = APIRouter()


@room.get("/desk/income/{period}/corrections")
def show_corrections(  # noqa: PLR0913, PLR0917 - who, where, whose
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    turn: Turn,
    period: Period,
    participant: Whose = None,
    check: Annotated[bool, Query()] = False,
) -> Response:
    """Show what correcting would write: how many documents, in what they differ, the first."""
    found = None
    with turn, cabinet.engine.begin() as db:
        state = period_state(db, period)
        closed = state.state is State.CLOSED
        if not closed and (participant or check or state.summary.records <= INLINE_RECORDS):
            found = survey(db, WhoseRecords(period, participant or 0))
    return render(
        request, visit, "income/corrections.html", period=period, participant=participant,
        closed=closed, found=found, matters=MATTERS, types=TYPES,
    )  # fmt: skip


@room.post("/desk/income/{period}/corrections")
def correct_many(  # noqa: PLR0913, PLR0917 - who, where, whose
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Finance,
    turn: Turn,
    period: Period,
    form: Posted,
) -> Response:
    """Write a batch of them."""
    number = text_of(form, "participant")
    whose = integer_of(number, 1, ID_MAX) or 0
    if number and not whose:
        return go(f"/desk/income/{period}/corrections", "income_refused")
    path = f"/desk/income/{period}/corrections" + (f"?participant={whose}" if whose else "")
    try:
        with turn, cabinet.engine.begin() as db:
            done = revise(db, WhoseRecords(period, whose), moment_of(visit.now_us))
            if done.documents:
                keep_trail(db, TrailEntry(
                    visit.now_us, CORRECT, DONE, f"period {period}", visit.address,
                    f"{done.documents} documents", person_id=officer.person.id,
                    login_id=officer.id, participant_id=whose or None,
                ))  # fmt: skip
    except IncomeError:
        return go(path, "income_refused")
    if not done.documents:
        return go(path, "record_right")
    return go(path, "records_corrected" if done.after is None else "records_more")
