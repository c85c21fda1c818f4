"""Several `kench cabinet` of one database, each a process with a port, and people who visit them.

with closing(Cabinets(folder, database, origin)) as cabinets:
    cabinets.both()                       # two that serve
    visitor = Visitor(origin)
    visitor.get(cabinets.urls[0], "/enter")
"""

import contextlib
import re
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import httpx

from benchmarks.load.ports import free_ports
from tests.support.cabinet import token_in
from tests.support.registers import trust_settings
from tests.support.root_process import running_root

LIMIT_S = 20.0
READY = "kench cabinet: ready\n"


def url_of(port: int) -> str:
    """Return the address of a cabinet without nginx."""
    return f"http://127.0.0.1:{port}"


class Cabinets:
    """Two processes that can be killed; what was killed is started again where it is wanted."""

    def __init__(self, folder: Path, database: str, origin: str) -> None:
        self._folder = folder
        self._running: dict[int, contextlib.ExitStack] = {}
        self._variables = {
            **trust_settings(folder), "KENCH_DATABASE_URL": database, "KENCH_CABINET_URL": origin,
            "KENCH_CABINET_PROXY_FROM": "127.0.0.1/32",
        }  # fmt: skip
        self.ports = free_ports(2)

    @property
    def urls(self) -> list[str]:
        """Their own addresses."""
        return [url_of(port) for port in self.ports]

    def both(self) -> None:
        """Have two that serve."""
        started = [self._start(port) for port in self.ports if port not in self._running]
        for said, log in started:
            assert [said.readline(), said.readline()][-1] == READY, log.read_text()

    def kill(self, port: int) -> None:
        """End one as by a fault of its machine: nothing is closed, nobody is told."""
        self._running.pop(port).close()

    def close(self) -> None:
        """End all."""
        for port in [*self._running]:
            self.kill(port)

    def viewers(self) -> dict[int, int]:
        """Return how many pages that move are open at each, by its own word."""
        return {port: self._viewers_at(port) for port in self._running}

    def _viewers_at(self, port: int) -> int:
        told = httpx.get(f"{url_of(port)}/metrics", timeout=LIMIT_S).text
        found = re.search(r"^kench_cabinet_live_viewers (\d+)", told, re.MULTILINE)
        assert found
        return int(found[1])

    def _start(self, port: int) -> tuple[IO[str], Path]:
        """Start one; returns what it says, and its log."""
        log = self._folder / f"{port}.log"
        data = {"KENCH_DATA": str(self._folder / str(port)), "KENCH_CABINET_PORT": str(port)}
        stack = self._running[port] = contextlib.ExitStack()
        process = stack.enter_context(running_root("kench.cabinet", log, self._variables | data))
        assert process.stdout is not None
        return process.stdout, log


class Visitor:
    """A browser without scripts that reaches each cabinet by its own address."""

    def __init__(self, origin: str, ssl_context: Any = True) -> None:
        self._client = httpx.Client(
            headers={"Host": urlsplit(origin).netloc, "Accept-Language": "en"},
            verify=ssl_context, timeout=LIMIT_S,
        )  # fmt: skip
        self._origin = origin
        self.cookies: dict[str, str] = {}

    def get(self, base: str, path: str) -> httpx.Response:
        """Ask for a page."""
        return self._asked("GET", base + path)

    def post(
        self, base: str, path: str, page: httpx.Response, *, files: Any = None, **fields: str
    ) -> httpx.Response:
        """Send a form of a page that was seen before."""
        return self._asked(
            "POST", base + path, data={"csrf": token_in(page)} | fields, files=files,
            headers={"Origin": self._origin},
        )  # fmt: skip

    def _asked(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, **sent: Any
    ) -> httpx.Response:
        # Kept here: the library would not send what is for TLS alone.
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        came = self._client.request(
            method, url, headers={**(headers or {}), "Cookie": kept}, **sent
        )
        self._client.cookies.clear()
        self.cookies |= dict(came.cookies.items())
        return came

    def close(self) -> None:
        """End its connections."""
        self._client.close()
