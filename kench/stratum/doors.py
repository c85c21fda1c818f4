"""One door: where miners come in, what holds for them there, and how many came by it."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from kench.pool.door_settings import DoorPlan
from kench.pool.settings import Settings
from kench.stratum.addresses import BACKLOG, QUEUES, open_sockets
from kench.stratum.certificate import Certificate
from kench.stratum.connection import Connection
from kench.stratum.contract import Limits
from kench.stratum.difficulty import DifficultyLimits
from kench.stratum.opening import Openings, Refusal

if TYPE_CHECKING:
    from kench.stratum.front import Front

log = structlog.get_logger("stratum")


class Door:
    """A port with its policy. `limits` bound every session that comes in here."""

    def __init__(
        self,
        plan: DoorPlan,
        limits: Limits,
        certificate: Certificate | None = None,
        handshake_s: float = 10.0,
    ) -> None:
        self.plan = plan
        self.name = plan.name
        self.limits = limits
        self.tls = plan.tls
        self.port = plan.port
        self.connections = 0
        """Open now; the front counts them."""
        self.accepted = 0
        """Connections since the start."""
        self.fault: str | None = None
        """Why the port is not open though nothing forbids it."""
        self.refused: Counter[Refusal] = Counter()
        """Peers that never became connections, by reason."""
        self._certificate = certificate
        self._handshake_s = handshake_s
        self._servers: list[asyncio.Server] = []
        self._openings: Openings | None = None
        self._bound: list[socket.socket] = []  # what the servers listen at
        self._late: set[asyncio.Task[Any]] = set()

    @property
    def is_open(self) -> bool:
        """Whether miners can connect here."""
        return bool(self._servers or self._openings)

    async def open(self, loop: asyncio.AbstractEventLoop, front: "Front") -> bool:
        """Listen, if it can be done; say whether it is."""
        if self.tls and (self._certificate is None or self._certificate.context is None):
            why = self._certificate.fault if self._certificate else None
            self._complain(why or "the certificate is being read")
            return False
        try:
            bound = await asyncio.to_thread(
                open_sockets, self.plan.hosts * QUEUES, self.port, front.send_timeout_s
            )
        except OSError as error:
            self._complain(f"{error.strerror or error} ({self.plan.url(self.port)})")
            return False
        self.port = bound[0].getsockname()[1]
        if self.tls or self.plan.proxy_from:
            self._openings = Openings(
                loop,
                lambda peer: Connection(front, self, peer),
                front.guard,
                self.plan.proxy_from,
                self._certificate if self.tls else None,
                self._handshake_s,
                self.refused,
            )
            for one in bound:
                self._openings.listen(one, BACKLOG)
        else:
            for one in bound:
                server = await loop.create_server(
                    lambda: Connection(front, self), sock=one, backlog=BACKLOG
                )
                self._servers.append(server)
                self._bound.append(one)
        self.fault = None
        log.info("serving", door=self.name, url=self.plan.url(self.port))
        return True

    def close(self) -> None:
        """Listen no more; connections stay."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._bound.clear()
        if self._openings is not None:
            self._openings.close()
            self._openings = None

    def drain(self, loop: asyncio.AbstractEventLoop, front: "Front") -> None:
        """Take in who is in the queue of the port, then listen no more."""
        for one in self._bound:
            for raw in _queued(one):
                made = loop.create_task(
                    loop.connect_accepted_socket(lambda: Connection(front, self), raw)
                )
                self._late.add(made)
                made.add_done_callback(self._late.discard)
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._bound.clear()
        if self._openings is not None:
            self._openings.drain()
            self._openings = None

    def status(self) -> dict[str, object]:
        """Return what /status and PostgreSQL show of it."""
        return {
            "name": self.name,
            "purpose": self.plan.purpose,
            "url": self.plan.url(self.port),
            "open": self.is_open,
            "why": self.fault,
            "connections": self.connections,
            "accepted": self.accepted,
            "refused": {reason.value: count for reason, count in self.refused.items()},
        }

    def _complain(self, fault: str) -> None:
        if fault != self.fault:
            log.error("door not opened", door=self.name, why=fault)
        self.fault = fault


def _queued(listening: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait to be accepted."""
    while True:
        try:
            raw, _ = listening.accept()
        except OSError:  # none, or no descriptor left for one
            return
        raw.setblocking(False)
        yield raw


def certificate_of(settings: Settings) -> Certificate | None:
    """Return the certificate of the TLS doors, not looked at yet; None if there are none."""
    pair = settings.tls_certificate, settings.tls_key
    if pair[0] is None or pair[1] is None or not any(plan.tls for plan in settings.all_doors):
        return None
    return Certificate(pair[0], pair[1])


def doors_of(
    settings: Settings, certificate: Certificate | None, ports: Sequence[int]
) -> list[Door]:
    """Return the doors of the settings, all shut, at the ports that were chosen for them."""
    return [
        Door(
            replace(plan, port=port),
            limits_of(plan, settings),
            certificate,
            settings.tls_handshake_s,
        )
        for plan, port in zip(settings.all_doors, ports, strict=True)
    ]


def limits_of(plan: DoorPlan, settings: Settings) -> Limits:
    """Return what bounds a session that comes in by this door."""
    return Limits(
        difficulty=DifficultyLimits(
            start=plan.start_difficulty,
            lowest=plan.min_difficulty,
            highest=plan.max_difficulty,
            shares_per_minute=plan.shares_per_minute,
        ),
        max_line_bytes=settings.max_line_bytes,
        workers_per_connection=settings.workers_per_connection,
    )
