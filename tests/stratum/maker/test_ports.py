"""Ports held for the fronts: chosen once, shared with them, refused where others listen."""

import socket

import pytest

from kench.pool.clock import SystemClock
from kench.pool.door_settings import DoorPlan
from kench.pool.settings import Settings
from kench.stratum.addresses import open_sockets
from kench.stratum.maker import ports
from kench.stratum.maker.ports import HeldPorts, PortTakenError


def plan(port: int) -> DoorPlan:
    return Settings(stratum_port=port).all_doors[0]


def test_a_port_is_chosen_once_and_several_fronts_listen_on_it() -> None:
    held = HeldPorts()
    port = held.hold(plan(0), SystemClock())
    fronts = [open_sockets(("127.0.0.1",), port, 60.0)[0] for _ in range(2)]
    for front in fronts:
        front.listen()
    for _ in range(8):  # what is held takes no connection away
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
    for one in fronts:
        one.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    held.close()


def test_a_port_that_others_listen_on_is_refused_even_if_they_would_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "PATIENCE_S", 0.0)
    (other,) = open_sockets(("127.0.0.1",), 0, 60.0)
    other.listen()
    held = HeldPorts()
    with pytest.raises(PortTakenError, match="KENCH_STRATUM_PORT"):
        held.hold(plan(other.getsockname()[1]), SystemClock())
    other.close()
