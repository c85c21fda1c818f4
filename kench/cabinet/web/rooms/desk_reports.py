"""The officers' reports: how each period stands, who is late, sums, and what was filed."""

from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.logins import Login
from kench.cabinet.registration.fields import paragraphs_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.regions import REGION_NAMES, Region
from kench.cabinet.reports.aggregates import (
    kinds_reported,
    periods_of,
    standings,
    summed_keys,
    sums_by_region,
)
from kench.cabinet.reports.deciding import (
    REMARKS_MAX,
    Verdict,
    decision_on,
    report_decision_body,
)
from kench.cabinet.reports.form import Form
from kench.cabinet.reports.form_store import form_of, forms_for
from kench.cabinet.reports.periods import period_named
from kench.cabinet.reports.reminding import NEAR_WORKING_DAYS
from kench.cabinet.reports.sheets import ROWS_MAX, table_of
from kench.cabinet.reports.store import (
    FILINGS_MAX,
    ReportLine,
    ReportState,
    contents_of,
    facts_of,
    filings_of,
    late_in,
    next_filed,
    read_report,
    reports_in,
    waiting_in,
)
from kench.cabinet.reports.values import known_values
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import After, Number
from kench.cabinet.web.report_files import (
    decided_response,
    filed_response,
    paper_response,
    read_filed,
)
from kench.cabinet.web.report_view import REPORT_STATES, STATE_TONES, View
from kench.cabinet.web.rights import may_enter
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.spreadsheets import CSV, XLSX, csv_of, xlsx_of
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at
from kench.pool.moments import moment_of

SHOWN = 50
SAID["report_accepted"] = Said(N_("The report is accepted."))
SAID["report_returned"] = Said(N_("The report is sent back to its participant."))
DESK_TABS.append(Tab("reports", N_("Reports")))
OWED = (ReportState.DUE, ReportState.RETURNED)
TABLES = {"csv": CSV, "xlsx": XLSX, "json": "application/json"}
WHICH = {
    "all": N_("All"),
    "due": N_("Not filed"),
    "missing": N_("Missing"),
    "filed": N_("To be looked at"),
    "late": N_("Filed late"),
}
Kind = Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{0,19}$")]
PeriodName = Annotated[str, Query(pattern=r"^[0-9Q-]{0,8}$")]
Version = Annotated[int | None, Query(ge=1, le=FILINGS_MAX)]

room = APIRouter()


@room.get("/desk/reports")
def show_standing(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    kind: Kind = "monthly",
    period: PeriodName = "",
) -> Response:
    """Show how the periods of one kind stand, and the sums of one."""
    with cabinet.engine.connect() as db:
        periods = periods_of(db, kind)
        chosen = period if period in periods else next(iter(periods), None)
        lines = standings(db, kind, periods, day_at(visit.now_us))
        form = _form_in(db, kind, chosen) if chosen else None
        sums = sums_by_region(db, form, chosen) if form and chosen else []
        titles = _titles(db, visit, [*kinds_reported(db), kind], chosen)
    view = View(visit.language)
    return render(
        request, visit, "reports/desk.html", kind=kind, titles=titles, standings=lines,
        chosen=chosen, sums=sums,
        columns=[field for field in form.fields if field.key in summed_keys(form)] if form else [],
        regions={region.value: name for region, name in REGION_NAMES.items()},
        value=view.value, language=visit.language.value, unstated=Region.UNSTATED.value,
    )  # fmt: skip


@room.get("/desk/reports/list")
def show_list(  # noqa: PLR0913, PLR0917 - which of them
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    kind: Kind = "monthly",
    period: PeriodName = "",
    which: str = "all",
    after: After = 0,
) -> Response:
    """Show a page of the reports of a period: all, missing, late, or to be looked at."""
    if which not in WHICH:
        raise HTTPException(404)
    with cabinet.engine.connect() as db:
        chosen = period or next(iter(periods_of(db, kind, 1)), "")
        lines = _listed(db, kind, chosen, which, after, visit)
        titles = _titles(db, visit, [kind], chosen)
    here = f"/desk/reports/list?kind={kind}&period={chosen}&which={which}"
    following = lines[SHOWN - 1].participant_id if len(lines) > SHOWN else None
    return _list_page(
        request, cabinet, visit, lines, title=titles.get(kind, kind), kind=kind, chosen=chosen,
        which=which, here=here, following=following, is_first=not after,
    )  # fmt: skip


@room.get("/desk/reports/waiting")
def show_waiting(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, after: After = 0
) -> Response:
    """Show a page of what waits for an officer, of all periods, the oldest first."""
    with cabinet.engine.connect() as db:
        lines = next_filed(db, after=after, at_most=SHOWN + 1)
    following = lines[SHOWN - 1].id if len(lines) > SHOWN else None
    return _list_page(
        request, cabinet, visit, lines, title=visit.words.gettext("Reports to be looked at"),
        kind=None, chosen=None, which=None, here="/desk/reports/waiting?", following=following,
        is_first=not after,
    )  # fmt: skip


@room.get("/desk/reports/table.{form}")
def keep_table(  # noqa: PLR0913, PLR0917 - who asks for which, and whose turn it is
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    turn: Turn,
    form: str,
    kind: Kind = "monthly",
    period: PeriodName = "",
) -> Response:
    """Give the reports of a period as a table: a row each, with what was filed last."""
    if form not in TABLES:
        raise HTTPException(404)
    with turn, cabinet.engine.connect() as db:
        chosen = period or next(iter(periods_of(db, kind, 1)), "")
        known = _form_in(db, kind, chosen)
        lines = reports_in(db, kind, chosen, at_most=ROWS_MAX + 1)
        if known is None or not lines:
            raise HTTPException(404)
        if len(lines) > ROWS_MAX:
            raise HTTPException(413)
        contents = contents_of(db, [one.id for one in lines])
        headings, rows = table_of(known, lines, contents, day_at(visit.now_us))
    made = {
        "csv": lambda: csv_of(headings, rows),
        "xlsx": lambda: xlsx_of(
            f"{kind} {chosen}", moment_of(visit.now_us), [(chosen, headings, rows)]
        ),
        "json": lambda: msgspec.json.encode(
            [dict(zip(headings, row, strict=True)) for row in rows]
        ),
    }[form]()
    return file_response(made, f"kench-reports-{kind}-{chosen}.{form}", TABLES[form])


@room.get("/desk/reports/{number}")
def show_report(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number
) -> Response:
    """Show a report whole, and the ways to decide on it."""
    with cabinet.engine.connect() as db:
        return _report_page(request, cabinet, visit, db, number, officer, "", [])


@room.post("/desk/reports/{number}/decide")
def decide(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    number: Number,
    form: Posted,
) -> Response:
    """Ask the officer for the signature that accepts what was filed last, or sends it back."""
    typed, do = text_of(form, "remarks"), text_of(form, "do")
    remarks = paragraphs_of(typed, REMARKS_MAX) if typed else ""
    verdict = next((one for one in Verdict if one.value == do), None)
    try:
        with cabinet.engine.begin() as db:
            report = _known(read_report(db, number))
            if remarks is None or verdict is None or (verdict is Verdict.RETURNED and not remarks):
                gap = Gap("remarks", N_("Say what is to be corrected, in 4000 characters at most"))
                return _report_page(
                    request, cabinet, visit, db, number, officer, typed, [gap],
                    status=422,
                )  # fmt: skip
            decision = decision_on(db, report, verdict, remarks)
            own = form_of(db, report.kind, report.form_version).form
            body = report_decision_body(
                decision, report, own.title.said(visit.language.value), visit.words.gettext
            )
            return ask_signature(
                cabinet, visit, officer, db, Purpose.REPORT_DECISION, f"report {number}", body
            )
    except ActRefusedError as error:
        raise HTTPException(409) from error


@room.get("/desk/reports/{number}/filed.{form}")
def keep_filed(  # noqa: PLR0913, PLR0917 - who asks for which, and whose turn it is
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    turn: Turn,
    number: Number,
    form: str,
    version: Version = None,
) -> Response:
    """Give a version that was filed as a file, the newest if none is named."""
    with turn:
        with cabinet.engine.connect() as db:
            filed = read_filed(db, _known(read_report(db, number)), version)
        return filed_response(request, visit, filed, form)


@room.get("/desk/reports/{number}/decision.json")
def keep_decision(
    cabinet: CabinetHere, _officer: Officer, number: Number, version: Version = None
) -> Response:
    """Give what an officer signed of a version, the newest that was decided if none is named."""
    with cabinet.engine.connect() as db:
        return decided_response(db, _known(read_report(db, number)), version)


@room.get("/desk/reports/{number}/documents/{document}")
def get_document(
    cabinet: CabinetHere, _officer: Officer, number: Number, document: int
) -> Response:
    """Hand out a document of what was filed last."""
    with cabinet.engine.connect() as db:
        filed = read_filed(db, _known(read_report(db, number)))
        return paper_response(db, list(filed.filing.papers), document)


def _known(report: ReportLine | None) -> ReportLine:
    if report is None:
        raise HTTPException(404)
    return report


def _form_in(db: sa.Connection, kind: str, name: str) -> Form | None:
    period = period_named(name)
    held = forms_for(db, period) if period else []
    return next((one.form for one in held if one.form.kind == kind), None)


def _titles(
    db: sa.Connection, visit: Visit, kinds: list[str], chosen: str | None
) -> dict[str, str]:
    """Each kind by the title of the form that it has, or had."""
    titles = {}
    for kind in kinds:
        newest = next(iter(periods_of(db, kind, 1)), chosen)
        form = _form_in(db, kind, newest) if newest else None
        titles[kind] = form.title.said(visit.language.value) if form else kind
    return titles


def _listed(  # noqa: PLR0913, PLR0917 - which of them
    db: sa.Connection, kind: str, period: str, which: str, after: int, visit: Visit
) -> list[ReportLine]:
    at_most = SHOWN + 1
    if which == "all":
        return reports_in(db, kind, period, after=after, at_most=at_most)
    if which == "late":
        return late_in(db, kind, period, after=after, at_most=at_most)
    if which == "filed":
        return waiting_in(db, kind, period, (ReportState.FILED,), after=after, at_most=at_most)
    today = day_at(visit.now_us)
    on = {"missing_on": today} if which == "missing" else {"due_on": today}
    return waiting_in(db, kind, period, OWED, after=after, at_most=at_most, **on)


def _list_page(
    request: Request, cabinet: Cabinet, visit: Visit, lines: list[ReportLine], **values: Any
) -> Response:
    calendar, today = calendar_of(cabinet, visit.now_us), day_at(visit.now_us)
    shown = lines[:SHOWN]
    left = {
        one.id: calendar.working_days_left(today, one.deadline.day) for one in shown if one.is_open
    }
    return render(
        request, visit, "reports/desk_list.html", lines=shown, left=left,
        near=NEAR_WORKING_DAYS, states=REPORT_STATES, tones=STATE_TONES, whiches=WHICH, **values,
    )  # fmt: skip


def _report_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    db: sa.Connection,
    number: int,
    officer: Login,
    typed: str,
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    report = _known(read_report(db, number))
    history, view = filings_of(db, number), View(visit.language)
    filed = read_filed(db, report) if history else None
    if filed is None:
        form, facts = form_of(db, report.kind, report.form_version).form, facts_of(db, number)
        parts = view.reading(form, facts, known_values(form, facts), {})
    else:
        form = filed.form
        parts = view.reading(form, filed.facts, filed.filing.contents, filed.filing.notes)
    calendar = calendar_of(cabinet, visit.now_us)
    left = calendar.working_days_left(day_at(visit.now_us), report.deadline.day)
    return render(
        request, visit, "reports/desk_report.html", status=status, report=report, form=form,
        title=form.title.said(visit.language.value), shown=parts, filed=filed, history=history,
        labels={one.key: one.label.said(visit.language.value) for one in form.files},
        may_decide=report.state is ReportState.FILED and history[-1].person_id != officer.person.id,
        left=left if report.is_open else None, near=NEAR_WORKING_DAYS, states=REPORT_STATES,
        tones=STATE_TONES, typed=typed, gaps=gaps, wrong={gap.field for gap in gaps},
        words=visit.words.gettext,
        may_see=may_enter("/desk/participants", officer.roles),
        region=REGION_NAMES[Region(report.region)],
    )  # fmt: skip
