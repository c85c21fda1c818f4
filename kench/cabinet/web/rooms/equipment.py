"""A participant's equipment: what the register says, and what the pool measures (D18, D20)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.login.people import PeopleRole
from kench.cabinet.numbers.groups import GroupNumbers, read_group_numbers
from kench.cabinet.numbers.live import LiveNumbers
from kench.cabinet.numbers.uptime import read_uptime
from kench.cabinet.registration.equipment import HOLDINGS, Equipment, Total, total_of
from kench.cabinet.registration.membership import current_entry
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.cabinet.words.catalogues import N_

GIGA = 1_000_000_000
NEAR_PART = 0.1
"""What is nearer to the declared hashrate than this is the same: estimates and weather."""

room = APIRouter()


class Difference(StrEnum):
    """How what is measured compares with what is declared."""

    NOTHING_DECLARED = "nothing declared"
    NOTHING_MEASURED = "nothing measured"
    LESS = "less"
    SAME = "same"
    MORE = "more"


EXPLAINED = {
    Difference.NOTHING_DECLARED: N_(
        "The register has no equipment of yours. What you mine with must be declared by a notice."
    ),
    Difference.NOTHING_MEASURED: N_(
        "Nothing was measured in the last 24 hours: no machine is connected, or none has had a "
        "share accepted. If the equipment stands still for long, give notice of a suspension."
    ),
    Difference.LESS: N_(
        "Less was measured than declared. Usual reasons: machines that were off for part of the "
        "day (see Uptime), a saving mode, heat, many refused shares, or machines that mine "
        "elsewhere. If machines were taken away, give notice of the change within 5 working days."
    ),
    Difference.SAME: N_(
        "What was measured fits what is declared: differences up to a tenth come from chance, "
        "heat and the firmware's settings."
    ),
    Difference.MORE: N_(
        "More was measured than declared. Machines that were added, or run faster than declared, "
        "must be declared by a notice within 5 working days."
    ),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """Declared against measured."""

    declared: Total
    measured_part: float | None
    workers_part: float | None
    difference: Difference


@dataclass(frozen=True, slots=True)
class GroupCompared:
    """A group's numbers, with what is declared for the site or model that it is named after."""

    group: GroupNumbers
    declared_hashrate: int | None


@room.get("/p/{participant_id}/equipment")
def show_equipment(
    request: Request, visit: VisitHere, cabinet: CabinetHere, acting: Acting
) -> Response:
    """Show it."""
    participant_id = acting.participant_id
    with cabinet.engine.connect() as db:
        version = current_entry(db, participant_id)
        live = cabinet.live.numbers(db, participant_id, visit.now_us)
        groups = read_group_numbers(db, participant_id, visit.now_us)
        uptime = read_uptime(db, participant_id, visit.now_us)
    equipment = version.entry.equipment if version else ()
    return render_room(
        request,
        visit,
        acting,
        "participant/equipment.html",
        version=version,
        equipment=equipment,
        compared=compared_of(total_of(equipment), live),
        groups=[GroupCompared(group, _declared_as(group.name, equipment)) for group in groups],
        explained=EXPLAINED,
        live=live,
        uptime=uptime,
        holdings=HOLDINGS,
        giga=GIGA,
        may_notify=acting.role is PeopleRole.OWNER,
    )


def compared_of(declared: Total, live: LiveNumbers) -> Compared:
    """Compare what is declared with the last 24 hours."""
    declared_hashrate = declared.hashrate_ghs * GIGA
    part = live.hashrate_24h / declared_hashrate if declared_hashrate else None
    connected = live.active + live.low
    if part is None:
        difference = Difference.NOTHING_DECLARED
    elif not live.hashrate_24h:
        difference = Difference.NOTHING_MEASURED
    elif abs(part - 1) <= NEAR_PART:
        difference = Difference.SAME
    else:
        difference = Difference.LESS if part < 1 else Difference.MORE
    return Compared(
        declared,
        part,
        connected / declared.quantity if declared.quantity else None,
        difference,
    )


def _declared_as(name: str, equipment: Iterable[Equipment]) -> int | None:
    """Return the declared hashrate of the site or model of that name, None if there is none."""
    named = [
        row for row in equipment if name.casefold() in {row.site.casefold(), row.model.casefold()}
    ]
    return total_of(named).hashrate_ghs * GIGA if named else None
