"""The API: a participant's numbers as JSON, for programs with a key of its owner; it only reads.

Hashrates are hashes a second, amounts of coins satoshi, of money tyiyn, moments ISO 8601 in UTC.
"""

from datetime import datetime
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kench import __version__
from kench.cabinet.access.grants import Scope
from kench.cabinet.numbers.balances import Balances, read_balances
from kench.cabinet.numbers.listed import ListedWorker, read_listed
from kench.cabinet.numbers.live import LiveNumbers
from kench.cabinet.numbers.parts import HEIGHT_MAX, BlockPart, read_parts
from kench.cabinet.numbers.public import PublicNumbers
from kench.cabinet.web.json_route import (
    FAULTS,
    EarningsGrant,
    Granted,
    HashrateGrant,
    JsonRoute,
    WorkersGrant,
    fault_json,
    public_of,
)
from kench.cabinet.web.rooms import monitors
from kench.cabinet.web.visit import CabinetHere
from kench.pool.moments import moment_of
from kench.pool.register import WORKER_NAME_MAX

PAGE, PAGE_MAX = 100, 500

room = APIRouter(prefix="/api/v1", route_class=JsonRoute, responses=FAULTS)
outside = APIRouter(route_class=JsonRoute)


class Account(BaseModel):
    """Whose key it is, and what it shows."""

    participant_id: int
    name: str
    key: str
    """The key's name."""
    scopes: list[Scope]
    expires_at: datetime


class Workers(BaseModel):
    """A page of workers."""

    workers: list[ListedWorker]
    next_after: str | None
    """What `after` is for the next page; null on the last."""


class Blocks(BaseModel):
    """A page of blocks that paid the participant, newest first."""

    blocks: list[BlockPart]
    next_before: int | None


@room.get("/pool", summary="The pool's public numbers; needs no key")
def show_pool(request: Request) -> PublicNumbers:
    """Hashrates, participants, blocks; read anew every few seconds."""
    return public_of(request).value()


@room.get("/account", summary="Whose key it is and what it shows")
def show_account(grant: Granted) -> Account:
    """The participant and the key's scopes."""
    return Account(
        participant_id=grant.participant_id,
        name=grant.participant,
        key=grant.name,
        scopes=sorted(grant.scopes),
        expires_at=moment_of(grant.expires_us),
    )


@room.get("/hashrate", summary="Hashrates, shares of the day, workers by state")
def show_hashrate(cabinet: CabinetHere, grant: HashrateGrant) -> LiveNumbers:
    """The participant now."""
    whose = grant.participant_id
    with cabinet.engine.connect() as db:
        return cabinet.live.numbers(db, whose, cabinet.clock.now_us())


@room.get("/workers", summary="Workers by name, page by page")
def show_workers(
    cabinet: CabinetHere,
    grant: WorkersGrant,
    after: Annotated[str, Query(max_length=WORKER_NAME_MAX, pattern=r"^[^\x00]*$")] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
) -> Workers:
    """Those whose names come after `after`."""
    with cabinet.engine.connect() as db:
        found = read_listed(
            db, grant.participant_id, cabinet.clock.now_us(), after=after, at_most=limit
        )
    return Workers(workers=found, next_after=found[-1].name if len(found) == limit else None)


@room.get("/earnings", summary="What the ledger has for the participant")
def show_earnings(cabinet: CabinetHere, grant: EarningsGrant) -> Balances:
    """Coins maturing, not sold yet, sold; money to be paid out, on its way, paid."""
    with cabinet.engine.connect() as db:
        return read_balances(db, grant.participant_id)


@room.get("/blocks", summary="Blocks that paid the participant, page by page")
def show_blocks(
    cabinet: CabinetHere,
    grant: EarningsGrant,
    before: Annotated[int, Query(ge=1, le=HEIGHT_MAX)] = HEIGHT_MAX,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
) -> Blocks:
    """Those of lesser height than `before`."""
    with cabinet.engine.connect() as db:
        found = read_parts(db, grant.participant_id, before_height=before, at_most=limit)
    return Blocks(blocks=found, next_before=found[-1].height if len(found) == limit else None)


@outside.get("/api/v1/openapi.json", include_in_schema=False)
def show_description(cabinet: CabinetHere) -> Response:
    """Describe all of it."""
    return JSONResponse(description(cabinet.settings.cabinet_origin))


@outside.get("/api/{_path:path}", include_in_schema=False)
def show_nothing(_path: str) -> Response:
    """Answer whatever is no part of it."""
    return fault_json(404, "there is nothing here: see /api/v1/openapi.json")


@cache
def description(origin: str) -> dict[str, Any]:
    """Return the API's OpenAPI description."""
    return get_openapi(
        title="Kench",
        version=__version__,
        summary="Numbers of a participant, for programs.",
        description=(__doc__ or "").partition("\n\n")[2],
        routes=[*room.routes, *monitors.room.routes],
        servers=[{"url": origin}],
    )


ROUTERS = (room, monitors.room, outside)
"""In this order: what nothing else answers, the last does."""
