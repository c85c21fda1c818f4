"""Receipts: which records the tax service took, and which it refused and why."""

import hashlib
from functools import partial
from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from kench.pool.moments import moment_of
from kench.pool.tax_settings import TaxEndpoint
from kench.tax import reading
from kench.tax.answering import Answer, answer, provider_of
from kench.tax.calls import Call
from kench.tax.problems import Kind, Problem
from kench.tax.queries import DOC_REF, query_of
from kench.tax.shaping import plain_json
from kench.tax.tables import income_receipts, tax_answers

RECEIPTS_MAX = 1000
CODE_MAX, WORDS_MAX = 64, 1000
# `$` would let a line feed stand at the end.
PRINTABLE = r"^[^\u0000-\u001f\u007f]*\Z"

room = APIRouter(prefix="/v1")


class Receipt(msgspec.Struct, forbid_unknown_fields=True):
    """What became of one record."""

    doc_ref: Annotated[str, msgspec.Meta(pattern=rf"^{DOC_REF.pattern}\Z")]
    status: Literal["accepted", "rejected"]
    code: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]*\Z", max_length=CODE_MAX)] = ""
    words: Annotated[str, msgspec.Meta(pattern=PRINTABLE, max_length=WORDS_MAX)] = ""


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """Receipts that come together."""

    receipts: Annotated[list[Receipt], msgspec.Meta(min_length=1, max_length=RECEIPTS_MAX)]


async def body_of(request: Request) -> bytes:
    """Return what was sent; how much that may be is counted around all rooms."""
    return await request.body()


@room.post("/income-reports/status")
def take_receipts(request: Request, body: Annotated[bytes, Depends(body_of)]) -> Response:
    """Take receipts of records."""
    return answer(request, TaxEndpoint.RECEIPTS, partial(_take, request, body))


def _take(request: Request, body: bytes, db: sa.Connection, call: Call) -> Answer:
    query_of(request.scope["query_string"], frozenset())
    media, _, charset = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != "application/json" or charset.strip().lower() not in {
        "", "charset=utf-8",
    }:  # fmt: skip
        raise Problem(Kind.NOT_JSON)
    digest = hashlib.sha256(body).digest()
    # Of two that come at once by one id, the second waits for the first one's answer.
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_of(call))))
    before = db.execute(
        sa.select(tax_answers).where(
            tax_answers.c.client == call.client, tax_answers.c.xroad_id == call.id
        )
    ).first()
    if before is not None:
        if bytes(before.request_sha256) != digest:
            raise Problem(Kind.OTHER_BODY)
        return Answer(bytes(before.body))
    provider = provider_of(request)
    batch = read_batch(body)
    now = moment_of(provider.clock.now_us())
    known = reading.known_records(db, [one.doc_ref for one in batch])
    keep_receipts(db, [one for one in batch if one.doc_ref in known], call.client, call.id, now)
    for one in batch:
        if one.doc_ref in known:
            provider.metrics.receipts.labels(one.status).inc()
    unknown = sorted({one.doc_ref for one in batch} - known)
    told = plain_json({"recorded": len(known), "unknown": unknown})
    db.execute(
        sa.insert(tax_answers).values(
            client=call.client, xroad_id=call.id, request_sha256=digest, body=told, at=now
        )
    )
    return Answer(told)


def read_batch(body: bytes) -> list[Receipt]:
    """Return the receipts of a batch; raises Problem."""
    try:
        batch = msgspec.json.decode(body, type=Batch)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(Kind.BAD_BODY, str(error)[:200]) from None
    if len({one.doc_ref for one in batch.receipts}) < len(batch.receipts):
        raise Problem(Kind.BAD_BODY, "a record stands twice")
    if any(one.status == "rejected" and not one.code for one in batch.receipts):
        raise Problem(Kind.BAD_BODY, "a rejection has a code")
    return batch.receipts


def keep_receipts(
    db: sa.Connection, receipts: list[Receipt], consumer: str, xroad_id: str, at: object
) -> None:
    """Keep what became of records."""
    rows = [
        {
            "doc_ref": one.doc_ref,
            "consumer": consumer,
            "status": one.status,
            "code": one.code,
            "words": one.words,
            "xroad_id": xroad_id,
            "at": at,
        }
        for one in receipts
    ]
    if rows:
        db.execute(sa.insert(income_receipts), rows)


def _lock_of(call: Call) -> int:
    digest = hashlib.sha256(f"{call.client} {call.id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
