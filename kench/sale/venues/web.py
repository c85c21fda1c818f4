"""One question to a venue over HTTP, with a bound on everything: time, bytes, and what is believed.

A time limit is for the whole exchange, however slowly a peer drips. Each question has a connection
of its own: one that was kept may be half dead, and an order sent into it would be uncertain.
"""

import threading
from collections.abc import Mapping
from typing import NamedTuple

import httpcore

from kench.pool.clock import Clock
from kench.pool.deadline import DeadlineBackend
from kench.sale.venues.port import VenueBusyError, VenueUncertainError

ANSWER_BYTES_MAX = 16 * 1024 * 1024
UNREACHABLE_RETRY_S = 5.0


class WebAnswer(NamedTuple):
    """What came back; header names are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


class Web:
    """Asks one venue, one question at a time."""

    def __init__(
        self, name: str, clock: Clock, timeout_s: float, backend: DeadlineBackend | None = None
    ) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._backend = backend or DeadlineBackend(clock)
        self._pool = httpcore.ConnectionPool(
            max_keepalive_connections=0, network_backend=self._backend
        )
        self._lock = threading.Lock()

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> WebAnswer:
        """Return the answer, whatever its status; redirects are not followed.

        Raises VenueBusyError where nothing was sent, VenueUncertainError without a whole answer.
        """
        with self._lock:
            self._backend.start(self._timeout_s)
            try:
                return self._ask(method, url, headers, body)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                raise VenueBusyError(
                    f"venue {self._name} cannot be reached: is it up, and its url right?",
                    UNREACHABLE_RETRY_S,
                ) from error
            except httpcore.TimeoutException as error:
                raise VenueUncertainError(
                    f"venue {self._name} gave no whole answer in {self._timeout_s:g} s"
                ) from error
            except (httpcore.NetworkError, httpcore.ProtocolError) as error:
                raise VenueUncertainError(
                    f"venue {self._name} broke off its answer ({type(error).__name__})"
                ) from error

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> WebAnswer:
        sent = [("Accept", "application/json"), ("Accept-Encoding", "identity"), *headers.items()]
        with self._pool.stream(method, url, headers=sent, content=body) as response:
            content = bytearray()
            for piece in response.iter_stream():
                content += piece
                if len(content) > ANSWER_BYTES_MAX:
                    raise VenueUncertainError(
                        f"venue {self._name} answers with more than {ANSWER_BYTES_MAX} bytes"
                    )
        named = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        return WebAnswer(response.status, named, bytes(content))

    def close(self) -> None:
        """Close what is open."""
        self._pool.close()
