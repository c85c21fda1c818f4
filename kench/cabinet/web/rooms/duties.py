"""Who is an officer, in which roles and since when; roles are given and ended by command."""

from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.officer_words import OFFICER_ROLES
from kench.cabinet.web.pages import render
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.orders.officer_roles import RoleLine, role_lines
from kench.pool.orders.officers import Officer as Entry
from kench.pool.orders.officers import list_officers

DESK_TABS.append(Tab("officers", N_("Officers")))

room = APIRouter()


class Serving(NamedTuple):
    """An officer, with all roles that there are or were."""

    entry: Entry
    roles: list[RoleLine]


@room.get("/desk/officers")
def show_officers(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer
) -> Response:
    """Show all who serve, then all who served."""
    with cabinet.reading.connect() as db:
        lines = role_lines(db)
        all_of_them = [
            Serving(entry, [line for line in lines if line.officer_id == entry.id])
            for entry in list_officers(db)
        ]
    return render(
        request, visit, "desk/officers.html", role_words=OFFICER_ROLES,
        serving=[one for one in all_of_them if one.entry.ended_at is None],
        served=[one for one in all_of_them if one.entry.ended_at is not None],
    )  # fmt: skip
