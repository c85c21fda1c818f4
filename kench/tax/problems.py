"""What is answered where nothing is handed over: problem+json (RFC 9457), for every refusal."""

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

MEDIA_TYPE = "application/problem+json"
KIND = "urn:kench:tax:"


class Said(NamedTuple):
    """Status, name and title of a kind of refusal."""

    status: int
    name: str
    title: str


class Kind(Enum):
    """Each kind of refusal; its name is in the answer and in the metrics."""

    BAD_HEADER = Said(400, "bad-header", "An X-Road header is missing, doubled or malformed.")
    BAD_QUERY = Said(400, "bad-query", "A parameter is unknown, doubled or malformed.")
    BAD_CURSOR = Said(400, "bad-cursor", "This cursor is none of this resource's.")
    TWO_LENGTHS = Said(400, "two-lengths", "The request has two lengths.")
    NOT_ALLOWED = Said(403, "not-allowed", "This client may not ask this.")
    NOT_FOUND = Said(404, "not-found", "There is no such thing.")
    NO_METHOD = Said(405, "no-method", "This address has no such method.")
    TOO_SLOW = Said(408, "too-slow", "The request did not come in time.")
    OTHER_BODY = Said(409, "other-body", "This X-Road-Id was used before, for another request.")
    TOO_LARGE = Said(413, "too-large", "The request is too large.")
    NOT_JSON = Said(415, "not-json", "The request must be application/json.")
    BAD_BODY = Said(422, "bad-body", "The request's body is not as described.")
    TOO_MANY = Said(429, "too-many", "There were too many requests.")
    FAULT = Said(500, "fault", "Something broke here; it is recorded.")
    AWAY = Said(503, "away", "The database does not answer: ask again later.")


BY_STATUS = {
    400: Kind.BAD_QUERY, 404: Kind.NOT_FOUND, 405: Kind.NO_METHOD, 408: Kind.TOO_SLOW,
    413: Kind.TOO_LARGE, 422: Kind.BAD_BODY, 429: Kind.TOO_MANY, 503: Kind.AWAY,
}  # fmt: skip


@dataclass
class Problem(Exception):  # noqa: N818 - it is what the answer is called
    """A refusal that a client has earned."""

    kind: Kind
    detail: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """Return the answer."""
        said = self.kind.value
        told = {"type": KIND + said.name, "title": said.title, "status": said.status}
        if self.detail:
            told["detail"] = self.detail
        return json.dumps(told).encode()
