"""A deadline for a whole exchange over HTTP, however slowly a peer drips: sockets for httpcore."""

from collections.abc import Iterable

import httpcore

from kench.pool.clock import Clock

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class DeadlineBackend(httpcore.SyncBackend):
    """Sockets whose every operation ends by one deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._end_s = 0.0

    def start(self, timeout_s: float) -> None:
        """Begin an exchange that ends by then."""
        self._end_s = self._clock.monotonic() + timeout_s

    def left_s(self) -> float:
        """Return how long it may still take."""
        # Zero would mean: do not wait at all, and a socket says so with another error.
        return max(0.001, self._end_s - self._clock.monotonic())

    @property
    def over(self) -> bool:
        """Whether it may take no longer."""
        return self._clock.monotonic() >= self._end_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within what is left."""
        stream = super().connect_tcp(host, port, self.left_s(), local_address, socket_options)
        return _DeadlineStream(stream, self)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the signature that httpcore calls
        if self._backend.over:
            raise httpcore.ReadTimeout
        return self._stream.read(max_bytes, self._backend.left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the signature that httpcore calls
        if self._backend.over:
            raise httpcore.WriteTimeout
        self._stream.write(buffer, self._backend.left_s())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: object,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the signature that httpcore calls
    ) -> httpcore.NetworkStream:
        left_s = self._backend.left_s()
        secured = self._stream.start_tls(ssl_context, server_hostname, left_s)  # type: ignore[arg-type]
        return _DeadlineStream(secured, self._backend)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
