"""All doors together: obstacles shut them, a fault of one leaves the others open."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from kench.stratum.certificate import Certificate
from kench.stratum.doors import Door
from kench.stratum.serving import Doors, Obstacle
from tests.support.certificates import HOST, authority
from tests.support.sessions import EASY_LIMITS, easy_limits
from tests.support.stratum_client import Desk, Peer, on_loop, serving, shut_door
from tests.support.waiting import until


def together(
    desk: Desk, *doors: Door, certificate: Certificate | None = None
) -> tuple[Doors, list[bool]]:
    """Doors of a desk's front, with no obstacle but the first two; what was told of them."""
    told: list[bool] = []
    loop = asyncio.get_running_loop()
    return Doors(loop, desk.front, doors, told.append, certificate), told


def open_all(doors: Doors) -> None:
    doors.clear(Obstacle.NO_JOB)
    doors.clear(Obstacle.NOT_PROPOSED)


async def miner_at(desk: Desk, door: Door) -> Peer:
    return await (await desk.connect_to(door)).login()


@on_loop
async def test_the_last_obstacle_gone_opens_every_door_and_any_new_one_shuts_them(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        pair = [shut_door(EASY_LIMITS, name=name) for name in ("one", "two")]
        doors, told = together(desk, *pair)
        doors.clear(Obstacle.NO_JOB)
        assert not doors.is_open
        assert doors.why == Obstacle.NOT_PROPOSED.value
        doors.clear(Obstacle.NOT_PROPOSED)
        await until(lambda: all(door.is_open for door in pair))
        await until(lambda: told)
        ports = [door.port for door in pair]
        miners = [await miner_at(desk, door) for door in pair]
        assert [door.connections for door in pair] == [1, 1]
        doors.block(Obstacle.JOURNAL, "disk full")
        assert doors.why == f"{Obstacle.JOURNAL.value}: disk full"
        for miner in miners:
            assert await miner.ended() == b""
        assert not any(door.is_open for door in pair)
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
        doors.clear(Obstacle.JOURNAL)
        await until(lambda: told == [True, False, True])
        assert [door.port for door in pair] == ports
        await miner_at(desk, pair[1])
        doors.close()
        doors.open()
        await asyncio.sleep(0)
        assert not doors.is_open


@on_loop
async def test_a_door_whose_port_is_taken_is_named_and_opened_later_while_others_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.stratum.serving.REOPEN_S", 0.02)
    async with serving(tmp_path) as desk:
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            taken = shut_door(EASY_LIMITS, name="taken", port=stranger.getsockname()[1])
            free = shut_door(EASY_LIMITS, name="free")
            doors, told = together(desk, taken, free)
            open_all(doors)
            await until(lambda: told)
            await miner_at(desk, free)
            assert doors.why is None
            assert not taken.is_open
            assert str(taken.port) in str(taken.status()["why"])
        await until(lambda: taken.is_open)
        assert taken.status()["why"] is None
        await miner_at(desk, taken)
        assert told == [True]
        doors.close()


@on_loop
async def test_when_no_door_can_be_opened_the_reason_of_each_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        nowhere = shut_door(EASY_LIMITS, name="nowhere", hosts=("192.0.2.1",))
        doors, told = together(desk, nowhere)
        open_all(doors)
        await until(lambda: nowhere.fault)
        assert doors.why is not None
        assert doors.why.startswith("door nowhere: ")
        assert told == []
        doors.close()


@on_loop
async def test_a_door_waits_for_its_certificate_while_others_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.stratum.serving.REOPEN_S", 0.02)
    issuer = authority(tmp_path)
    async with serving(tmp_path / "journal") as desk:
        certificate = Certificate(tmp_path / "late.pem", tmp_path / "late.key")
        secure = shut_door(EASY_LIMITS, certificate, name="secure")
        plain = shut_door(EASY_LIMITS, name="plain")
        doors, told = together(desk, secure, plain, certificate=certificate)
        open_all(doors)
        await until(lambda: told)
        await miner_at(desk, plain)
        assert "late.pem" in str(secure.status()["why"])
        issuer.issue("late")
        await until(lambda: secure.is_open)
        await desk.connect_to(secure, ssl=issuer.client(), server_hostname=HOST)
        doors.close()


@on_loop
async def test_a_changed_certificate_is_noticed_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.stratum.serving.LOOK_S", 0.02)
    issuer = authority(tmp_path)
    async with serving(tmp_path / "journal") as desk:
        certificate = issuer.served("watched")
        first = certificate.context
        doors, _ = together(desk, certificate=certificate)
        doors.watch_certificate()
        issuer.issue("watched")
        await until(lambda: certificate.context is not first)
        doors.close()


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
@on_loop
async def test_a_miner_s_address_is_its_own_whichever_way_it_comes(
    tmp_path: Path, host: str
) -> None:
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, hosts=("::",))) as desk:
        peer = await desk.connect(host)
        await peer.login()
        assert peer.connection.peer == host


@on_loop
async def test_each_door_gives_its_own_difficulty_and_counts_its_own_connections(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        low = shut_door(easy_limits(start=1e-9), name="low")
        high = shut_door(easy_limits(start=2e-9, lowest=2e-9), name="high")
        doors, told = together(desk, low, high)
        open_all(doors)
        await until(lambda: told)
        first, second = await miner_at(desk, low), await miner_at(desk, high)
        assert (first.miner.difficulty, second.miner.difficulty) == (1e-9, 2e-9)
        await second.leave()
        await until(lambda: not high.connections)
        assert (low.connections, low.accepted) == (1, 1)
        assert (high.connections, high.accepted) == (0, 1)
        assert [door.status()["name"] for door in doors.doors] == ["low", "high"]
        doors.close()


@on_loop
async def test_newcomers_wait_in_more_than_one_queue_of_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.stratum.doors.BACKLOG", 8)  # the kernel lets one more in
    async with serving(tmp_path) as desk:
        with contextlib.ExitStack() as newcomers:
            # Nobody accepts while this does not await; one queue would be full.
            for _ in range(11):
                one = socket.create_connection(("127.0.0.1", desk.door.port), timeout=0.5)
                newcomers.enter_context(one)
            await until(lambda: desk.door.accepted == 11)
