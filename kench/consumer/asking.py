"""Asking a provider by one's own security server: headers of r1, tries by the same id, bounds."""

import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

import httpx
import msgspec

from kench.pool.backoff import delay_after
from kench.pool.errors import KenchError
from kench.pool.xroad import VERSION, Header

TRIES_MAX = 6
FIRST_S, LONGEST_S = 0.2, 5.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
LATER = frozenset({429, 500, 502, 503, 504})


class NotToldError(KenchError):
    """The provider, or the way to it, gives no answer that can be used."""


class Route(NamedTuple):
    """By which way, and as whom, one asks."""

    url: str
    client: str
    service: str
    """Empty: the provider is asked itself, without security servers."""

    @property
    def base(self) -> str:
        """What each address begins with."""
        return f"{self.url}/{VERSION}/{self.service}" if self.service else self.url


class Asking:
    """A connection to the provider; every message has an id, kept over its tries."""

    def __init__(
        self,
        route: Route,
        random_bytes: Callable[[int], bytes],
        http: httpx.Client,
        *,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._route = route
        self._random_bytes = random_bytes
        self._wait = wait
        self._http = http

    def get(self, path: str) -> bytes | None:
        """Return what is there; None where there is no such thing. Raises NotToldError."""
        return self._ask("GET", path, None)

    def post(self, path: str, told: object) -> bytes:
        """Send something, once however often it has to be tried; raises NotToldError."""
        answer = self._ask("POST", path, msgspec.json.encode(told))
        if answer is None:
            raise NotToldError(f"there is no {path} there")
        return answer

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes | None:
        id_ = str(uuid.UUID(bytes=self._random_bytes(16), version=4))
        headers = {
            Header.CLIENT.value: self._route.client,
            Header.ID.value: id_,
            "Accept-Encoding": "identity",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        why = ""
        for tries in range(1, TRIES_MAX + 1):
            try:
                status, said, error = self._try(method, path, headers, body)
            except httpx.HTTPError as fault:
                why = str(fault) or type(fault).__name__
            else:
                if status == httpx.codes.OK and error is None:
                    return said
                if status == httpx.codes.NOT_FOUND and error is None:
                    return None
                why = f"{status} {error or ''} {said[:300].decode('utf-8', 'replace')}"
                if status not in LATER:
                    break
            if tries < TRIES_MAX:
                self._wait(delay_after(tries, FIRST_S, LONGEST_S))
        raise NotToldError(f"{method} {path} is not answered: {why}")

    def _try(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, bytes, str | None]:
        url = self._route.base + path
        with self._http.stream(method, url, headers=headers, content=body) as answer:
            said = bytearray()
            for piece in answer.iter_raw():
                said += piece
                if len(said) > ANSWER_BYTES_MAX:
                    raise NotToldError(f"the answer to {path} is too long")
            return answer.status_code, bytes(said), answer.headers.get(Header.ERROR.value)
