"""The tax service's side of a push: takes messages, answers which records it does not take."""

import hashlib
from collections import OrderedDict
from collections.abc import Container

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kench.consumer.asking import NotToldError
from kench.consumer.checking import problems_of
from kench.consumer.reading import Page, Record, read
from kench.pool.xroad import Header, read_id

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
ANSWERS_KEPT = 10_000


class Receiver:
    """Takes income of everybody but of those participants whom it is told not to know."""

    def __init__(self, unknown: Container[int] = ()) -> None:
        self._unknown = unknown
        self._answers: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self.records: dict[str, str] = {}
        """The digests of what was taken, by name."""
        self.messages = 0
        self.app = Starlette(
            routes=[
                Route("/healthz", self._healthz),
                Route("/v1/income-reports", self._take, methods=["POST"]),
            ]
        )

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"serves": True})

    async def _take(self, request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MESSAGE_BYTES_MAX:
                return _refuse(413, "the message is too long")
        try:
            id_ = read_id(request.headers.get(Header.ID.value, ""))
        except ValueError:
            return _refuse(400, "the message has no id")
        digest = hashlib.sha256(body).digest()
        if id_ in self._answers:
            before, answer = self._answers[id_]
            if before != digest:
                return _refuse(409, "this id was another message's")
            return Response(answer, media_type="application/json")
        try:
            answer = self._answer(bytes(body))
        except NotToldError as fault:
            return _refuse(422, str(fault))
        self._answers[id_] = (digest, answer)
        if len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return Response(answer, media_type="application/json")

    def _answer(self, body: bytes) -> bytes:
        self.messages += 1
        accepted, rejected = 0, []
        for item in read(Page, body).records:
            record = read(Record, item.record)
            code, words = problems_of(item, record, record.period)
            if not code and record.participant.id in self._unknown:
                code, words = "UNKNOWN-PAYER", "no such taxpayer"
            if code:
                rejected.append({"doc_ref": record.doc_ref, "code": code, "words": words})
            else:
                accepted += 1
                self.records[record.doc_ref] = item.sha256
        return msgspec.json.encode({"accepted": accepted, "rejected": rejected})


def _refuse(status: int, words: str) -> Response:
    return JSONResponse({"type": "about:blank", "title": words, "status": status}, status)
