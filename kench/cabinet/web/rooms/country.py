"""The country view: one month by region, twelve months side by side, and both as tables to save."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.numbers.country import FIRST_ENTRY, CountryMonth, RegionNumbers
from kench.cabinet.registration.states import ParticipantState
from kench.cabinet.web.bars import BarDrawing, bars_of
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.making import Turn
from kench.cabinet.web.money import month_of, months_since
from kench.cabinet.web.pages import render
from kench.cabinet.web.spreadsheets import CSV, XLSX, csv_of, xlsx_of
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.cabinet.words.catalogues import N_

if TYPE_CHECKING:
    from kench.cabinet.numbers.kept_country import KeptCountry

COLUMNS = (
    "participants", "machines", "declared_ghs", "planned_kwh", "work_hashes", "estimated_kwh",
    "reward_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn",
)  # fmt: skip
DESK_TABS.append(Tab("country", N_("The country")))
COUNTS = {
    ParticipantState.REGISTERED: N_("Participants now"),
    ParticipantState.SUSPENDED: N_("Participants suspended"),
    ParticipantState.LEFT: N_("Participants who left"),
    ParticipantState.EXCLUDED: N_("Participants excluded"),
}

room = APIRouter()


class Chart(NamedTuple):
    """A drawing and what it shows."""

    title: str
    drawing: BarDrawing


@room.get("/desk/country")
def show_country(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, month: str = ""
) -> Response:
    """Show a month by region, and the year up to it."""
    period = month_of(month, visit.now_us)
    kept: KeptCountry = request.app.state.country
    with cabinet.reading.connect() as db:
        first = db.scalar(FIRST_ENTRY)
    year = kept.year(period, visit.now_us)
    return render(
        request, visit, "registry/country.html", numbers=year[-1], year=year, period=period,
        months=months_since(first, visit.now_us), charts=_charts(year, visit),
        members=kept.members(), counts=COUNTS, now=request.app.state.public.value(),
        periods={one.name: month_of(one.name, visit.now_us).begins for one in year},
    )  # fmt: skip


@room.get("/desk/country/regions.csv")
def give_regions(
    request: Request, visit: VisitHere, _officer: Officer, turn: Turn, month: str = ""
) -> Response:
    """Give a month by region."""
    kept: KeptCountry = request.app.state.country
    with turn:
        numbers = kept.month(month_of(month, visit.now_us), visit.now_us)
    content = csv_of(("region", *COLUMNS), _region_rows(numbers))
    return file_response(content, f"kench-regions-{numbers.name}.csv", CSV)


@room.get("/desk/country/months.csv")
def give_months(
    request: Request, visit: VisitHere, _officer: Officer, turn: Turn, month: str = ""
) -> Response:
    """Give the twelve months up to one."""
    kept: KeptCountry = request.app.state.country
    with turn:
        year = kept.year(month_of(month, visit.now_us), visit.now_us)
    content = csv_of(("month", "blocks", "sales", *COLUMNS), _month_rows(year))
    return file_response(content, f"kench-months-{year[-1].name}.csv", CSV)


@room.get("/desk/country/{month}.xlsx")
def give_workbook(
    request: Request, visit: VisitHere, _officer: Officer, turn: Turn, month: str
) -> Response:
    """Give both as a workbook."""
    kept: KeptCountry = request.app.state.country
    period = month_of(month, visit.now_us)
    with turn:
        year = kept.year(period, visit.now_us)
        content = xlsx_of(
            f"Kench {period.name}",
            period.begins,
            [
                ("regions", ("region", *COLUMNS), list(_region_rows(year[-1]))),
                ("months", ("month", "blocks", "sales", *COLUMNS), list(_month_rows(year))),
            ],
        )
    return file_response(content, f"kench-country-{period.name}.xlsx", XLSX)


def _region_rows(numbers: CountryMonth) -> Iterator[list[str | int]]:
    for one in numbers.regions:
        yield [one.region.value or "-", *_cells(one)]
    yield ["total", *_cells(numbers.total)]


def _month_rows(year: list[CountryMonth]) -> Iterator[list[str | int]]:
    for one in year:
        yield [one.name, one.blocks, one.sales, *_cells(one.total)]


def _cells(numbers: RegionNumbers) -> list[int]:
    return [getattr(numbers, name) for name in COLUMNS]


def _charts(year: list[CountryMonth], visit: Visit) -> list[Chart]:
    formats, totals = visit.formats, [one.total for one in year]
    labels = [f"{one.name[5:]}.{one.name[2:4]}" for one in year]

    def money(tyiyn: float) -> str:
        return formats.number(tyiyn / 100, 0)

    return [
        Chart(
            N_("Hashrate, mean of the month"),
            bars_of(
                labels,
                [one.hashrate(total) for one, total in zip(year, totals, strict=True)],
                formats.hashrate,
            ),
        ),
        Chart(
            N_("Electricity, estimated, kWh"),
            bars_of(
                labels,
                [float(one.estimated_kwh) for one in totals],
                lambda value: formats.number(value, 0),
            ),
        ),
        Chart(
            N_("Proceeds before fees, som"),
            bars_of(labels, [float(one.gross_tyiyn) for one in totals], money),
        ),
    ]
