"""A plain door takes miners in a little at a time, and nobody waits long for that."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kench.stratum import accepting, arrivals
from kench.stratum.accepting import EXHAUSTED_S
from kench.stratum.opening import Refusal
from tests.support.stratum_client import Desk, run, serving, turns

CROWD = 40


@contextmanager
def crowd(desk: Desk, count: int = CROWD) -> Iterator[list[socket.socket]]:
    """Connections that the kernel has made and the door has not seen yet."""
    with ExitStack() as stack:
        address = ("127.0.0.1", desk.door.port)
        yield [stack.enter_context(socket.create_connection(address)) for _ in range(count)]


def is_reset(one: socket.socket) -> bool:
    """Whether the server has closed it with a reset."""
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


async def arrived(desk: Desk, count: int) -> None:
    for _ in range(10_000):
        if len(desk.front.connections) >= count:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"only {len(desk.front.connections)} of {count} came in")


def test_those_who_are_in_are_answered_while_a_crowd_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "ACCEPTS_EACH_TURN", 4)
    monkeypatch.setattr(arrivals, "TURN_S", 0.0)  # one in a turn

    async def test() -> None:
        async with serving(tmp_path) as desk:
            worker = await (await desk.connect()).login()
            seen = set()
            with crowd(desk):
                while len(desk.front.connections) <= CROWD:
                    assert (await worker.call("mining.ping"))["result"] == "pong"
                    seen.add(len(desk.front.connections))
                assert len(seen) >= 4
                assert desk.door.accepted == CROWD + 1

    run(test())


def test_who_arrives_has_its_peer_and_its_descriptor(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path) as desk:
            peer = await desk.connect(local_addr=("127.0.0.7", 0))
            raw = peer.connection.transport.get_extra_info("socket")
            assert peer.connection.peer == "127.0.0.7"
            assert peer.connection.descriptor == raw.fileno()
            await peer.login()
            await peer.leave()
            await turns()
            assert peer.connection.descriptor == -1

    run(test())


def test_arrivals_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "ARRIVALS_MAX", 5)

    async def test() -> None:
        async with serving(tmp_path) as desk:
            with crowd(desk) as sockets:
                await arrived(desk, 5)
                await turns()
                assert desk.door.refused == {Refusal.TOO_MANY: CROWD - 5}
                assert sum(is_reset(one) for one in sockets) == CROWD - 5

    run(test())


def test_a_front_that_is_full_closes_who_comes_too_many(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, connections_max=3) as desk:
            with crowd(desk) as sockets:
                await arrived(desk, 3)
                await turns()
                assert len(desk.front.connections) == 3
                assert sum(is_reset(one) for one in sockets) == CROWD - 3

    run(test())


def test_a_door_that_shuts_resets_who_has_not_come_in_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "TURN_S", 0.0)

    async def test() -> None:
        async with serving(tmp_path) as desk:
            with crowd(desk) as sockets:
                await arrived(desk, 3)
                desk.door.close()
                await turns()
                inside = len(desk.front.connections)
                assert inside < CROWD
                assert sum(is_reset(one) for one in sockets) == CROWD - inside

    run(test())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_where_descriptors_or_memory_run_out_the_door_rests_and_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    accept, fails = socket.socket.accept, True

    def accept_or_not(self: socket.socket) -> tuple[socket.socket, object]:
        if fails:
            raise OSError(number, "none left")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", accept_or_not)

    async def test() -> None:
        nonlocal fails
        async with serving(tmp_path) as desk:
            with crowd(desk, 1):
                await turns()
                fails = False
                await turns()
                assert not desk.front.connections, "it did not rest"
                desk.loop.advance(EXHAUSTED_S)
                await arrived(desk, 1)

    run(test())
