"""JSON for programs: who comes with which key, and refusals that are JSON too."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from kench.cabinet.access.admission import Admission, Refusal, Refused
from kench.cabinet.access.grants import Grant, Kind, Scope
from kench.cabinet.numbers.kept import Kept
from kench.cabinet.numbers.public import PublicNumbers
from kench.cabinet.web.address import address_of
from kench.cabinet.web.visit import cabinet_of

KEY_HEADER = "X-API-Key"
OTHER_HEADERS = (
    "Pool-Auth-Token", "X-Pool-Auth-Token", "SlushPool-Auth-Token", "X-SlushPool-Auth-Token",
)  # fmt: skip
"""What monitors of another pool send."""
KEY_LETTERS_MAX = 200
WORDS = {400: "bad_request", 401: "no_key", 403: "not_granted", 404: "unknown", 429: "too_many"}


class Fault(BaseModel):
    """A refusal: a word for programs, a sentence for people."""

    error: str
    message: str


class JsonError(HTTPException):
    """A refusal of the API."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, message, headers)


class JsonRoute(APIRoute):
    """A route whose refusals are JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except JsonError as error:
                return fault_json(error.status_code, error.detail, error.headers)
            except RequestValidationError as error:
                where = ", ".join(str(one["loc"][-1]) for one in error.errors()[:5])
                return fault_json(400, f"not what this can be: {where}")

        return handled


def fault_json(status: int, message: str, headers: Any = None) -> Response:
    """Return a refusal."""
    fault = Fault(error=WORDS.get(status, "refused"), message=message)
    return JSONResponse(fault.model_dump(), status, headers=headers)


def key_of(
    request: Request,
    key: Annotated[str | None, Security(APIKeyHeader(name=KEY_HEADER, auto_error=False))],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))],
) -> str:
    """Return the key that came, in whichever header; empty if none did."""
    others = (request.headers.get(name) for name in OTHER_HEADERS)
    found = key or (bearer.credentials if bearer else None) or next(filter(None, others), None)
    return (found or "").strip()


def granted(request: Request, response: Response, key: Annotated[str, Depends(key_of)]) -> Grant:
    """Return the grant of the request's key; 401 without, 429 when it comes too often."""
    admission: Admission = request.app.state.admission
    cabinet = cabinet_of(request)
    if not key or len(key) > KEY_LETTERS_MAX:
        raise JsonError(401, f"send a key in the header {KEY_HEADER}: the owner makes one")
    found = admission.admit(Kind.KEY, key, address_of(request, cabinet.settings.cabinet_proxy_from))
    if isinstance(found, Refused):
        headers = found.reading.headers() if found.reading else None
        if found.refusal is Refusal.TOO_MANY:
            raise JsonError(429, "too many requests: wait as Retry-After says", headers)
        raise JsonError(401, "this key is unknown, expired, or was ended", headers)
    headers = found.reading.headers()
    request.state.limits = headers
    response.headers.update(headers)
    return found.grant


Granted = Annotated[Grant, Depends(granted)]


def needs(scope: Scope) -> Callable[[Request, Grant], Grant]:
    """Return a dependency that gives the grant where it has the scope; else 403."""

    def scoped(request: Request, grant: Granted) -> Grant:
        if scope not in grant.scopes:
            raise JsonError(403, f"the key has not the scope {scope}", request.state.limits)
        return grant

    return scoped


def public_of(request: Request) -> Kept[PublicNumbers]:
    """Return the pool's public numbers, read once in a while for all."""
    kept: Kept[PublicNumbers] = request.app.state.public
    return kept


HashrateGrant = Annotated[Grant, Depends(needs(Scope.HASHRATE))]
WorkersGrant = Annotated[Grant, Depends(needs(Scope.WORKERS))]
EarningsGrant = Annotated[Grant, Depends(needs(Scope.EARNINGS))]
FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": Fault, "description": words}
    for status, words in (
        (400, "a parameter is not what it can be"),
        (401, "no key, or none that is good"),
        (403, "the key has not the scope"),
        (429, "too many requests; see Retry-After"),
    )
}
