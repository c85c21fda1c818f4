"""Fetching from addresses that the settings name: bounded in time and bytes, no redirects."""

from collections.abc import Iterable

import httpcore

from kench.pool.clock import Clock
from kench.pool.deadline import DeadlineBackend
from kench.pool.errors import KenchError

OK = 200


class FetchError(KenchError):
    """What was asked for did not come, or not whole."""


def fetch(  # noqa: PLR0913 - an address and its bounds
    url: str,
    clock: Clock,
    *,
    timeout_s: float,
    bytes_max: int,
    body: bytes | None = None,
    kind: str = "",
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Return the body of an answer 200; with `body` it is a POST. Raises FetchError."""
    backend = DeadlineBackend(clock)
    sent = [("Accept-Encoding", "identity"), *headers]
    sent += [("Content-Type", kind)] if kind else []
    backend.start(timeout_s)
    try:
        with (
            httpcore.ConnectionPool(max_keepalive_connections=0, network_backend=backend) as pool,
            pool.stream(
                "GET" if body is None else "POST", url, headers=sent, content=body
            ) as response,
        ):
            if response.status != OK:
                raise FetchError(f"{url} answers with status {response.status}")
            content = bytearray()
            for piece in response.iter_stream():
                content += piece
                if len(content) > bytes_max:
                    raise FetchError(f"{url} answers with more than {bytes_max} bytes")
    except httpcore.TimeoutException as error:
        raise FetchError(f"{url} gave no whole answer in {timeout_s:g} s") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise FetchError(f"{url} cannot be reached ({type(error).__name__})") from error
    return bytes(content)
