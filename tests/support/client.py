"""A plain Stratum client for tests: one blocking socket, one line at a time."""

import json
import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

MOST_SHARES = 2000


class StratumClient:
    """Speaks to a pool's port; every wait is bounded by `timeout_s`."""

    def __init__(
        self,
        port: int,
        timeout_s: float = 10.0,
        *,
        host: str = "127.0.0.1",
        header: bytes = b"",
        tls: ssl.SSLContext | None = None,
        tls_host: str = "",
    ) -> None:
        self._socket = socket.create_connection((host, port), timeout_s)
        if header:  # as a proxy in front of the pool sends it
            self._socket.sendall(header)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=tls_host)
        self._lines = self._socket.makefile("rb")
        self._last_id = 0
        self.job: list[Any] | None = None
        """Params of the newest notify seen."""
        self.extranonce1 = ""
        self.difficulty = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def receive(self) -> dict[str, Any]:
        """The next line; raises ConnectionError where the pool closed."""
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the pool closed the connection")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "mining.notify":
            self.job = message["params"]
        elif message.get("method") == "mining.set_difficulty":
            self.difficulty = message["params"][0]
        return message

    def wait_for_job(self, *, other_than: str | None = None) -> list[Any]:
        """The params of the newest job, once there is one with another id."""
        while self.job is None or self.job[0] == other_than:
            self.receive()
        return self.job

    def call(self, method: str, *params: object) -> dict[str, Any]:
        """Send a request; the answer to it, notifications left aside."""
        self._last_id += 1
        request = {"id": self._last_id, "method": method, "params": params}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self.receive()
            if message.get("id") == self._last_id and "method" not in message:
                return message

    def login(self, user: str, password: str) -> bool:
        """Subscribe and authorize; whether the pool took the login."""
        self.extranonce1 = self.call("mining.subscribe", "test/1")["result"][1]
        return bool(self.call("mining.authorize", user, password)["result"])

    def submit_until(self, user: str, is_so: Callable[[], bool]) -> int:
        """Submit shares of one job until something is so; how many were accepted."""
        job, *_, ntime, _clean = self.wait_for_job()
        accepted = 0
        for number in range(MOST_SHARES):
            share = (user, job, f"{number:016x}", ntime, f"{number:08x}")
            accepted += self.call("mining.submit", *share)["result"] is True
            if is_so():
                return accepted
        raise AssertionError(f"not so after {MOST_SHARES} shares")

    def wait_until_closed(self) -> None:
        """Return when the pool closes; TimeoutError where it does not in time."""
        try:
            while True:
                self.receive()
        except ConnectionError:
            return
