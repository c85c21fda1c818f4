"""The desk's room of lots that stand still: their way, AML cases, resolutions by two officers."""

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.desk import lot_words
from kench.cabinet.desk.lot_signing import check_resolution, subject_of
from kench.cabinet.desk.reasons import reason_of
from kench.cabinet.desk.standing_lots import (
    RAW_MAX,
    LotWay,
    list_proposed,
    list_standing,
    proposed_by,
    read_way,
)
from kench.cabinet.registration.fields import integer_of, line_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_for_document
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import render
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.errors import KenchError
from kench.sale.acts import WHY_CHARACTERS_MAX, Act, document_of
from kench.sale.lots import LotKey

SAID |= {
    "lot_signed": Said(N_("You have signed. Another officer must sign it too.")),
    "lot_wished": Said(N_("Both officers have signed: the sale takes it up within seconds.")),
}
DESK_TABS.append(Tab("lots", N_("Lots that stand still")))
SAY_WHY = N_("Say why, in 400 characters at most")
CHOOSE = N_("Choose what is to be done")
NUMBER_MAX = 10**15 - 1
"""Beyond every signed act."""

room = APIRouter()


@room.get("/desk/lots")
def show_lots(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer
) -> Response:
    """Show all lots that stand still."""
    with cabinet.engine.connect() as db:
        standing, proposed = list_standing(db), list_proposed(db)
    return render(
        request, visit, "lots/list.html", standing=standing, proposed=proposed, words=lot_words
    )


@room.get("/desk/lots/{block_hash}/{vout}")
def show_lot(  # noqa: PLR0913, PLR0917 - who, where
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    block_hash: str,
    vout: int,
) -> Response:
    """Show the whole way of a lot, and what two officers may do with it."""
    with cabinet.engine.connect() as db:
        way = _way(db, block_hash, vout)
    return _page(request, visit, way, officer.person.id, {}, [])


@room.post("/desk/lots/{block_hash}/{vout}/resolve")
def resolve(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    block_hash: str,
    vout: int,
    form: Posted,
) -> Response:
    """Ask for the first signature of a resolution."""
    typed = {name: text_of(form, name) for name in ("act", "why")}
    with cabinet.engine.begin() as db:
        way = _way(db, block_hash, vout)
        made = _document(way, typed)
        if isinstance(made, bytes):
            try:
                check_resolution(db, made)
            except ActRefusedError as error:
                made = [Gap("act", error.said(visit.words.gettext).replace("%", "%%"))]
        if not isinstance(made, bytes):
            return _page(request, visit, way, officer.person.id, typed, made, status=422)
        return ask_for_document(
            cabinet, visit, officer, db, Purpose.LOT, subject_of(way.lot.key), made
        )


@room.post("/desk/lots/{block_hash}/{vout}/sign")
def sign(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    block_hash: str,
    vout: int,
    form: Posted,
) -> Response:
    """Ask for the second signature of what another officer has signed."""
    act_id = integer_of(text_of(form, "act_id"), 1, NUMBER_MAX) or 0
    with cabinet.engine.begin() as db:
        way = _way(db, block_hash, vout)
        try:
            document = proposed_by(db, way.lot.key, act_id)
            check_resolution(db, document)
        except ActRefusedError as error:
            gaps = [Gap("act", error.said(visit.words.gettext).replace("%", "%%"))]
            return _page(request, visit, way, officer.person.id, {}, gaps, status=409)
        return ask_for_document(
            cabinet, visit, officer, db, Purpose.LOT, subject_of(way.lot.key), document
        )


def _way(db: sa.Connection, block_hash: str, vout: int) -> LotWay:
    if not 0 <= vout < 2**31:
        raise HTTPException(404)
    way = read_way(db, LotKey(block_hash, vout))
    if way is None:
        raise HTTPException(404)
    return way


def _document(way: LotWay, typed: dict[str, str]) -> bytes | list[Gap]:
    """The bytes to sign, as `kench lot` writes them."""
    act = next((one for one in way.may if one.value == typed["act"]), None)
    why = line_of(typed["why"], WHY_CHARACTERS_MAX)
    gaps = []
    if act is None:
        gaps.append(Gap("act", CHOOSE))
    if why is None:
        gaps.append(Gap("why", SAY_WHY))
    if act is None or why is None:
        return gaps
    try:
        return document_of(way.lot, Act(act), why)
    except KenchError as error:
        return [Gap("act", "%(why)s", {"why": reason_of(error)})]


def _page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    way: LotWay,
    person_id: int,
    typed: dict[str, str],
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    return render(
        request, visit, "lots/lot.html", status=status, way=way, lot=way.lot, person_id=person_id,
        typed=typed, gaps=gaps, wrong={gap.field for gap in gaps}, words=lot_words,
        gettext_words=visit.words.gettext, raw_max=RAW_MAX,
    )  # fmt: skip
