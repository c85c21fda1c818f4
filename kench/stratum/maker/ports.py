"""The ports of the doors, held by the job maker: a port 0 is chosen once, a taken one is refused.

What is held is bound and does not listen, so connections go to the fronts alone, which listen on
the same port by SO_REUSEPORT.
"""

import errno
import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kench.pool.clock import Clock, SystemClock
from kench.pool.door_settings import FIRST_DOOR, DoorPlan
from kench.pool.errors import KenchError
from kench.pool.settings import Settings
from kench.stratum.addresses import open_sockets

# Fronts of a job maker that was killed close the port within a moment of its end.
PATIENCE_S, AGAIN_S = 5.0, 0.1
_SEND_TIMEOUT_S = 60.0  # of no account: nothing is ever accepted here


class PortTakenError(KenchError):
    """Somebody else listens on a port of ours."""


class HeldPorts:
    """Sockets that keep the ports ours while fronts come and go."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._ours: set[int] = set()

    @property
    def descriptors(self) -> list[int]:
        """What holds the ports, for a successor in this process."""
        return [held.fileno() for held in self._sockets]

    def expect(self, ports: Iterable[int]) -> None:
        """Know ports that our own fronts listen on."""
        self._ours.update(ports)

    def adopt(self, descriptors: Iterable[int]) -> None:
        """Take over what held the ports before this program replaced itself."""
        for descriptor in descriptors:
            held = socket.socket(fileno=descriptor)
            self._sockets.append(held)
            self._ours.add(int(held.getsockname()[1]))

    def hold(self, plan: DoorPlan, clock: Clock, former: int = 0) -> int:
        """Hold the port of a door; return its number. Raises PortTakenError, naming the setting.

        `former` is the port that it had when it was chosen freely before.
        """
        if former and not plan.port:
            plan = replace(plan, port=former)
        deadline = clock.monotonic() + PATIENCE_S
        pause = threading.Event()
        while True:
            try:
                if plan.port not in self._ours:  # else our own fronts listen there
                    _probe(plan)
                held = open_sockets(plan.hosts, plan.port, _SEND_TIMEOUT_S)
            except OSError as error:
                passing = error.errno == errno.EADDRINUSE and clock.monotonic() < deadline
                if not passing:
                    setting = (
                        "KENCH_STRATUM_PORT" if plan.name == FIRST_DOOR else f"door {plan.name}"
                    )
                    raise PortTakenError(
                        f"cannot listen on {plan.url()} ({error.strerror}): stop what uses it, or"
                        f" change {setting}"
                    ) from error
                pause.wait(AGAIN_S)
            else:
                self._sockets += held
                return int(held[0].getsockname()[1])

    def close(self) -> None:
        """Give the ports up."""
        for held in self._sockets:
            held.close()


def rehearse_ports(settings: Settings, ours: Sequence[int]) -> None:
    """Raise KenchError where a port cannot be had that is not one of ours already."""
    held = HeldPorts()
    held.expect(ours)
    try:
        for plan in settings.all_doors:
            held.hold(plan, SystemClock())
        if settings.metrics_port not in ours:
            with socket.create_server((settings.metrics_host, settings.metrics_port)):
                pass
    except OSError as error:
        raise PortTakenError(
            f"port {settings.metrics_port} is taken: set KENCH_METRICS_PORT to a free one"
        ) from error
    finally:
        held.close()


def _probe(plan: DoorPlan) -> None:
    """Raise OSError where anybody listens on the port.

    Two pools that shared it by SO_REUSEPORT would each get some of the other's miners.
    """
    for host in plan.hosts if plan.port else ():
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, plan.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
