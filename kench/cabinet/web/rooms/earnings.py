"""What a participant earned: where coins and money are now, by day, by block; as CSV too."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.numbers.earnings import (
    NEWEST,
    first_found,
    place_of,
    read_blocks,
    read_days,
    read_stages,
)
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.money import LOT_STATES, STAGES, month_of, months_since
from kench.cabinet.web.spreadsheets import CSV, csv_of
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.pool.moments import BISHKEK

BLOCKS_SHOWN = 50
CSV_BLOCKS_MAX = 20_000
"""Blocks of a month in a file; the whole network finds some 4,500."""
HASH = r"^[0-9a-f]{64}$"

room = APIRouter()


class Asked(BaseModel):
    """Which month's days are shown, and which blocks: those before one."""

    month: str | None = None
    before: Annotated[str | None, Field(pattern=HASH)] = None


@room.get("/p/{participant_id}/earnings")
def show_earnings(
    request: Request,
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    asked: Annotated[Asked, Query()],
) -> Response:
    """Show them."""
    who, before = acting.participant_id, asked.before
    period = month_of(asked.month, visit.now_us)
    with cabinet.engine.connect() as db:
        place = NEWEST if before is None else place_of(db, before)
        if place is None:
            raise HTTPException(404)
        blocks = read_blocks(db, who, most=BLOCKS_SHOWN + 1, before=place)
        return render_room(
            request, visit, acting, "money/earnings.html",
            stages=read_stages(db, [who])[who],
            days=read_days(db, who, period),
            blocks=blocks[:BLOCKS_SHOWN],
            older=blocks[BLOCKS_SHOWN - 1].hash if len(blocks) > BLOCKS_SHOWN else None,
            is_first=before is None,
            period=period,
            months=months_since(first_found(db, who), visit.now_us),
            maturity=cabinet.settings.maturity_confirmations,
            lot_states=LOT_STATES,
            stage_words=STAGES,
        )  # fmt: skip


@room.get("/p/{participant_id}/earnings/days.csv")
def keep_days(
    visit: VisitHere, cabinet: CabinetHere, acting: Acting, month: str | None = None
) -> Response:
    """Give a month's days as CSV: whole satoshi and tyiyn."""
    period = month_of(month, visit.now_us)
    with cabinet.engine.connect() as db:
        days = read_days(db, acting.participant_id, period)
    headings = list(days[0]._fields) if days else ["day"]
    rows = [(one.day.isoformat(), *one[1:]) for one in reversed(days)]
    name = f"kench-{acting.participant_id}-{period.name}-days.csv"
    return file_response(csv_of(headings, rows), name, CSV)


@room.get("/p/{participant_id}/earnings/blocks.csv")
def keep_blocks(
    visit: VisitHere, cabinet: CabinetHere, acting: Acting, month: str | None = None
) -> Response:
    """Give a month's blocks as CSV: whole satoshi and tyiyn."""
    period = month_of(month, visit.now_us)
    with cabinet.engine.connect() as db:
        blocks = read_blocks(
            db,
            acting.participant_id,
            most=CSV_BLOCKS_MAX + 1,
            before=NEWEST._replace(found_at=period.ends),
            since=period.begins,
        )
    if len(blocks) > CSV_BLOCKS_MAX:
        raise HTTPException(413)
    headings = (
        "found_at", "height", "block_hash", "stage", "method", "order", "work_hashes",
        "reward_sat", "credit_sat", "sold_sat", "net_tyiyn",
    )  # fmt: skip
    rows = [
        (
            one.found_at.astimezone(BISHKEK).isoformat(timespec="seconds"), one.height, one.hash,
            one.stage, one.method, one.order_number, str(one.work_hashes), one.reward_sat,
            one.credit_sat, one.sold_sat, one.net_tyiyn,
        )
        for one in reversed(blocks)
    ]  # fmt: skip
    name = f"kench-{acting.participant_id}-{period.name}-blocks.csv"
    return file_response(csv_of(headings, rows), name, CSV)
