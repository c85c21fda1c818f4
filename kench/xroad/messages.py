"""What a security server takes of a message, adds to it, and says where it cannot pass it on."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kench.pool.xroad import (
    PREFIX,
    SERVICE_PARTS,
    VERSION,
    Header,
    read_client,
    read_id,
    read_service,
    read_user,
    request_hash,
)

NOT_PASSED = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "user-agent", "server", "content-length", "date",
    }
)  # fmt: skip
"""Headers that end at a security server."""
ITS_OWN = frozenset({Header.SERVICE, Header.REQUEST_HASH, Header.REQUEST_ID, Header.ERROR})
"""Headers that a security server alone sets."""


class Fault(Exception):  # noqa: N818 - an outcome, answered as X-Road answers
    """A message that is not passed on, by X-Road's own words."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message

    def body(self, detail: str) -> bytes:
        """Return the answer."""
        told = {"type": self.kind, "message": self.message, "detail": detail}
        return json.dumps(told).encode()


class Message(NamedTuple):
    """A request on its way to a provider."""

    service: str
    target: str
    """Path and query as the provider sees them."""
    headers: dict[str, str]
    back: dict[str, str]
    """What the consumer is told of X-Road beside the answer."""


def read_message(
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    random_bytes: Callable[[int], bytes],
) -> Message:
    """Return the request as it goes on; raises Fault."""
    path, mark, query = target.partition("?")
    words = path.split("/")
    if len(words) < SERVICE_PARTS + 2 or words[:2] != ["", VERSION]:
        raise Fault(400, "Client.BadRequest", f"the address must be /{VERSION}/<service>/<path>")
    said: dict[str, str] = {}
    for name, value in headers:
        if name in said and name.startswith(PREFIX):
            raise Fault(400, "Client.BadRequest", f"{name} stands twice")
        said[name] = value
    given = {name: value for name, value in said.items() if name not in NOT_PASSED | ITS_OWN}
    try:
        service = read_service("/".join(words[2 : SERVICE_PARTS + 2]))
        given[Header.CLIENT] = read_client(said.get(Header.CLIENT, ""))
        fresh = str(uuid.UUID(bytes=random_bytes(16), version=4))
        given[Header.ID] = read_id(said.get(Header.ID, fresh))
        if Header.USER_ID in said:
            read_user(said[Header.USER_ID])
    except ValueError as error:
        raise Fault(400, "Client.BadRequest", f"a name or an id {error}") from None
    given.setdefault("accept", "application/json")
    inside = "/" + "/".join(words[SERVICE_PARTS + 2 :]) + mark + query
    told = {
        Header.SERVICE.value: service,
        Header.REQUEST_HASH.value: request_hash(method, inside, given, body),
    }
    kept = {name.value: given[name] for name in (Header.CLIENT, Header.ID)}
    request_id = str(uuid.UUID(bytes=random_bytes(16), version=4))
    back = kept | told | {Header.REQUEST_ID.value: request_id}
    return Message(service, inside, given | told, back)


def headers_back(answer: Mapping[str, str], message: Message) -> dict[str, str]:
    """Return the headers of an answer: none of X-Road's are the provider's to set."""
    passed = {
        name: value
        for name, value in answer.items()
        if name not in NOT_PASSED and not name.startswith(PREFIX)
    }
    return {**passed, **message.back}
