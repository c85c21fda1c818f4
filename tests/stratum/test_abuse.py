"""Hostile peers on real sockets: slowed, cut off, banned; and honest ones who are none of that."""

import asyncio
import json
import socket
import struct
from ipaddress import ip_network
from pathlib import Path

import pytest

from kench.stratum import pacing
from kench.stratum.costs import LATE_AFTER_BEGIN_S
from kench.stratum.faults import CHATTER_FREE_LINES, IDLE_FREE_S, Fault
from kench.stratum.guard import Measure
from kench.stratum.newcomers import PLACE_KEPT_S
from kench.stratum.session import LINES_PER_TURN
from tests.support.jobs import small_template
from tests.support.sessions import EASY_LIMITS, TOKEN
from tests.support.stratum_client import COSTS, Desk, Peer, on_loop, serving, shut_door, turns
from tests.support.waiting import until

PING = b'{"id":1,"method":"mining.ping","params":[]}\n'
UNKNOWN = b'{"id":1,"method":"mining.what","params":[]}\n'


async def ban(desk: Desk) -> None:
    """Have 127.0.0.1 banned by wrong lines on connection after connection."""
    guard = desk.front.guard
    for _ in range(200):
        if guard.measures[Measure.BANNED]:
            return
        peer = await desk.connect()
        peer.write(b"{\n" * 3)
        desk.loop.advance(0.3)
        for _ in range(60):  # it may have to wait, and the ban comes nearer all the same
            if peer.reader.at_eof():
                break
            desk.front.guard.charge_ended(peer.connection.address, Fault.BAD_JSON, desk.loop.time())  # type: ignore[arg-type]
            await asyncio.sleep(0)
    raise AssertionError("it never was banned")


@pytest.mark.parametrize(
    ("sent", "fault", "count"),
    [
        (b"{\n", Fault.BAD_JSON, 1),
        (b"GET / HTTP/1.1\r\n\r\n", Fault.FOREIGN_PROTOCOL, 1),
        (b"x" * 20_000, Fault.OVERSIZED_LINE, 1),
        (b"x" * 20_000 + b"\n", Fault.OVERSIZED_LINE, 1),
        (UNKNOWN * 3, Fault.UNKNOWN_METHOD, 3),
        (b'{"id":1,"method":"mining.authorize","params":[]}\n', Fault.INVALID_PARAMS, 1),
        (
            b'{"id":1,"method":"mining.submit","params":["1.w1","1","00","00","00"]}\n',
            Fault.NOT_SUBSCRIBED,
            1,
        ),
        (
            b'{"id":1,"method":"mining.authorize","params":["1.w1","wrong"]}\n',
            Fault.LOGIN_REFUSED,
            1,
        ),
    ],
)
@on_loop
async def test_what_a_peer_sends_is_charged_to_it_and_its_address(
    tmp_path: Path, sent: bytes, fault: Fault, count: int
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        address = peer.connection.address
        assert address is not None
        peer.write(sent)
        await until(lambda: desk.front.guard.faults[fault] == count)
        assert address.level(desk.loop.time(), COSTS.half_life_s) >= fault.amount * count


@on_loop
async def test_who_asks_for_the_unknown_without_end_is_slowed_and_others_are_not(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        hostile, honest = await desk.connect(), await desk.connect()
        await honest.login()
        hostile.write(UNKNOWN * LINES_PER_TURN * 3)
        await until(lambda: hostile.connection.resting)
        await turns()
        answered = desk.front.guard.faults[Fault.UNKNOWN_METHOD]
        assert answered == LINES_PER_TURN
        assert (await honest.submit(honest.miner.share()))["result"] is True
        desk.loop.advance(15.0)
        await until(lambda: desk.front.guard.faults[Fault.UNKNOWN_METHOD] > answered)
        assert desk.front.guard.measures[Measure.SLOWED] >= 1
        assert not honest.connection.resting


@on_loop
async def test_who_floods_wrong_shares_is_cut_off(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        hostile, honest = await desk.connect(), await desk.connect()
        await hostile.login()
        await honest.login()
        share = [*hostile.miner.share()[:2], "00", "00000000", "00000000"]
        line = {"id": 1, "method": "mining.submit", "params": share}
        hostile.write((json.dumps(line).encode() + b"\n") * 600)
        await hostile.ended()
        assert desk.front.guard.measures[Measure.CUT] == 1
        assert (await honest.submit(honest.miner.share()))["result"] is True


@pytest.mark.rule("A8.15")
@on_loop
async def test_an_honest_burst_of_stale_shares_after_a_block_costs_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        desk.loop.advance(LATE_AFTER_BEGIN_S + 1)
        shares = [peer.miner.share() for _ in range(300)]
        desk.new_job(small_template(prevhash_le=b"\x01" * 32))
        before = peer.connection.session.gate.late
        for number, share in enumerate(shares):
            peer.write({"id": 500 + number, "method": "mining.submit", "params": share})
        await until(lambda: peer.connection.session.gate.late == before + 300)
        await turns()
        assert desk.front.guard.faults == {}
        assert not peer.connection.resting


@on_loop
async def test_many_lines_in_one_piece_are_all_answered_in_order_over_several_turns(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        count = LINES_PER_TURN * 4 + 5
        peer.write(
            b"".join(
                b'{"id":%d,"method":"mining.ping","params":[]}\n' % number
                for number in range(count)
            )
        )
        assert [(await peer.line())["id"] for _ in range(count)] == list(range(count))
        assert (await peer.submit(peer.miner.share()))["result"] is True


@on_loop
async def test_chatter_beyond_all_need_costs(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        session = peer.connection.session
        await desk.sweep(5)
        peer.write(PING * CHATTER_FREE_LINES)
        goal = session.general_lines + CHATTER_FREE_LINES
        await until(lambda: session.general_lines == goal)
        await desk.sweep(5)
        assert desk.front.guard.faults == {}
        peer.write(PING * (CHATTER_FREE_LINES + 7))
        await until(lambda: session.general_lines == goal + CHATTER_FREE_LINES + 7)
        await desk.sweep(5)
        assert desk.front.guard.faults == {Fault.CHATTER: 7}


@on_loop
async def test_who_says_nothing_pays_for_it_and_who_has_logged_in_does_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        await desk.connect()
        await (await desk.connect()).login()
        await desk.sweep(IDLE_FREE_S - 1)
        assert desk.front.guard.faults == {}
        await desk.sweep(2)
        assert desk.front.guard.faults == {Fault.IDLE: 1}
        await desk.sweep(60)
        assert desk.front.guard.faults == {Fault.IDLE: 1, Fault.NO_LOGIN: 1}
        assert len(desk.front.connections) == 1


@on_loop
async def test_a_connection_that_did_no_work_pays_and_one_that_we_close_does_not(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        idle, worker, other = [await desk.connect() for _ in range(3)]
        await worker.login()
        assert (await worker.submit(worker.miner.share()))["result"] is True
        await idle.leave()
        await worker.leave()
        await until(lambda: len(desk.front.connections) == 1)
        assert desk.front.guard.faults == {Fault.NO_WORK: 1}
        desk.front.close_all("for a test")
        await other.ended()
        assert desk.front.guard.faults == {Fault.NO_WORK: 1}


@on_loop
async def test_a_banned_address_is_reset_at_accept_until_its_ban_expires(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        await ban(desk)
        again = await desk.connect(awaited=False)
        assert await again.ended() == b""
        await until(lambda: desk.front.guard.measures[Measure.REFUSED] >= 1)
        other = await desk.connect(local_addr=("127.0.0.5", 0))
        await other.login()
        desk.loop.advance(COSTS.ban_s + 300)
        await (await desk.connect()).login()


@on_loop
async def test_a_ban_leaves_miners_at_work_and_ends_the_rest(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        worker, silent = await desk.connect(), await desk.connect()
        await worker.login()
        await ban(desk)
        await desk.sweep(1)
        assert await silent.ended() == b""
        assert (await worker.submit(worker.miner.share()))["result"] is True


@on_loop
async def test_behind_a_proxy_the_announced_address_is_banned(tmp_path: Path) -> None:
    door = shut_door(EASY_LIMITS, proxy_from=(ip_network("127.0.0.0/8"),))
    async with serving(tmp_path, door=door) as desk:

        async def come(address: str) -> Peer:
            peer = await desk.connect(awaited=False)
            peer.write(f"PROXY TCP4 {address} 127.0.0.1 4000 3333\r\n".encode())
            return peer

        guard = desk.front.guard
        held = guard.arrive("198.51.100.7", 0.0)
        assert held is not None
        while not guard.is_banned(held, 0.0):
            guard.charge_ended(held, Fault.OVERSIZED_LINE, 0.0)
        assert await (await come("198.51.100.7")).ended() == b""
        await (await come("198.51.100.8")).login()
        assert guard.measures[Measure.REFUSED] == 1


@on_loop
async def test_a_farm_that_comes_and_goes_together_is_never_slowed(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        for _ in range(3):
            farm = [await desk.connect() for _ in range(80)]
            for peer in farm:
                peer.write(
                    b'{"id":1,"method":"mining.subscribe","params":[]}\n'
                    b'{"id":2,"method":"mining.authorize","params":["1.w1","%b"]}\n'
                    % TOKEN.encode()
                )
            await until(lambda: all(one.authorised for one in desk.front.connections))
            for peer in farm:
                raw = peer.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await peer.leave()
            await until(lambda: not desk.front.connections)
        assert not desk.front.guard.measures


@on_loop
async def test_in_a_storm_logins_keep_their_order_and_shares_do_not_wait_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as desk:
        worker = await desk.connect()
        await worker.login()
        monkeypatch.setattr(pacing, "TURN_S", 0.0)  # one login a turn
        peers = [await desk.connect() for _ in range(60)]
        original = desk.front.admissions.admit
        seen: list[tuple[str, int]] = []

        def admit(user: str, tokens: tuple[str, ...]) -> object:
            seen.append((user, worker.connection.session.gate.accepted))
            return original(user, tokens)

        monkeypatch.setattr(desk.front.admissions, "admit", admit)
        for number, peer in enumerate(peers):
            line = {"id": 2, "method": "mining.authorize", "params": [f"1.{number}", "x"]}
            peer.write(line)
        assert (await worker.submit(worker.miner.share()))["result"] is True
        await until(lambda: len(seen) == 60)
        assert [user for user, _ in seen] == [f"1.{number}" for number in range(60)]
        waited_for = [accepted for _, accepted in seen].index(1)
        assert waited_for < 30, "the share waited for logins"


@on_loop
async def test_a_peer_that_half_closes_while_its_turn_is_not_come_is_answered(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        peer.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
        peer.writer.write_eof()
        assert b'"id":1' in await peer.ended()


@on_loop
async def test_when_all_places_are_taken_the_oldest_without_a_login_gives_its_own(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, connections_max=3) as desk:
        miner = await desk.connect()
        await miner.login()
        oldest = await desk.connect()
        desk.loop.advance(1)
        second = await desk.connect()
        desk.loop.advance(PLACE_KEPT_S - 1)
        newcomer = await desk.connect(awaited=False)
        assert await oldest.ended() == b""
        await newcomer.login()
        assert (await second.call("mining.ping"))["result"] == "pong"
        assert (await miner.submit(miner.miner.share()))["result"] is True
        assert desk.front.guard.measures == {Measure.EVICTED: 1}
        assert desk.front.guard.faults == {Fault.IDLE: 1}
        assert len(desk.front.connections) == 3


@on_loop
async def test_no_miner_and_nobody_who_just_came_gives_its_place(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_max=2) as desk:
        miner = await desk.connect()
        await miner.login()
        desk.loop.advance(3600)
        young = await desk.connect()
        desk.loop.advance(PLACE_KEPT_S - 0.1)
        assert await (await desk.connect(awaited=False)).ended() == b""
        await young.login()
        desk.loop.advance(3600)
        assert await (await desk.connect(awaited=False)).ended() == b""
        assert (await miner.submit(miner.miner.share()))["result"] is True
        assert not desk.front.guard.measures
