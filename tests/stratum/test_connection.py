"""The socket shell and the front around it, on uvloop's own sockets, with time in our hands."""

import asyncio
import socket
from pathlib import Path

import pytest

from kench.native import FLAG_BLOCK, FLAG_UNCREDITED
from kench.pool.journal import JournalReader
from kench.stratum.session import State
from kench.stratum.sweep import REFUSED_AGAIN_S, REFUSED_DROP_S, REFUSED_RECONNECT_S
from tests.support.jobs import small_template
from tests.support.sessions import EASY, TOKEN, error_of, participant
from tests.support.stratum_client import Desk, Peer, on_loop, serving, turns
from tests.support.waiting import until

ALL = 2**256 - 1


@pytest.mark.rule("A1.17")
@on_loop
async def test_sockets_do_not_wait_to_send_and_notice_dead_peers(tmp_path: Path) -> None:
    async with serving(tmp_path, send_timeout_s=45.0) as desk:
        peer = await desk.connect()
        raw = peer.connection.transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 45_000


async def stall(desk: Desk, peer: Peer) -> None:
    """Have a peer ask without reading until the server stops listening to it."""
    pings = b'{"id":"%b","method":"mining.ping","params":[]}\n' % (b"x" * 900) * 64
    peer.reader._limit = 1  # type: ignore[attr-defined] # the stream stops reading at twice this
    for _ in range(20_000):
        if peer.connection.stalled_since is not None:
            return
        if peer.writer.transport.get_write_buffer_size() < len(pings):
            peer.write(pings)
        await asyncio.sleep(0.0001)
    raise AssertionError("the server buffers without end")


@pytest.mark.rule("A1.17")
@on_loop
async def test_a_peer_that_does_not_read_is_cut_off_and_holds_up_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        slow, quick = await desk.connect(), await desk.connect()
        await slow.login()
        await quick.login()
        await stall(desk, slow)
        assert slow.connection.transport.get_write_buffer_size() < 2 * 1024 * 1024
        assert (await quick.submit(quick.miner.share()))["result"] is True
        await desk.sweep(59)
        assert slow.connection in desk.front.connections
        await desk.sweep(2)
        assert slow.connection not in desk.front.connections
        assert quick.connection in desk.front.connections


@pytest.mark.rule("A1.17", "A7.3")
@on_loop
async def test_a_peer_that_reads_again_catches_up_with_the_tip_it_missed(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        slow = await desk.connect()
        await slow.login()
        await stall(desk, slow)
        session = slow.connection.session
        seen = session.job_key
        job = desk.new_job(small_template(prevhash_le=b"\x01" * 32))
        await turns()
        assert session.job_key == seen, "a job that was not sent counts as sent"
        slow.reader._limit = 1 << 16  # type: ignore[attr-defined]
        slow.reader._maybe_resume_transport()  # type: ignore[attr-defined]
        for _ in range(50_000):
            line = await slow.line()
            if line.get("method") == "mining.notify":
                break
        assert line["params"][0] == f"{job.key:x}"
        assert line["params"][-1] is True


@pytest.mark.rule("A9.9")
@on_loop
async def test_who_does_not_log_in_is_dropped_and_who_mines_may_be_silent(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        mute, half, worker = [await desk.connect() for _ in range(3)]
        await half.call("mining.subscribe")
        await worker.login()
        await desk.sweep(59)
        assert len(desk.front.connections) == 3
        await desk.sweep(2)
        assert await mute.ended() == b""
        assert await half.ended() == b""
        for _ in range(48):
            await desk.sweep(3600)
        assert (await worker.call("mining.ping"))["result"] == "pong"


@pytest.mark.rule("A3.3")
@on_loop
async def test_a_refused_login_is_dropped_after_a_delay_that_doubles_for_its_name(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        for delay in (1, 2, 4, 8, 16, 32, 60, 60):
            again = await desk.connect()
            answer = await again.call("mining.authorize", "1.w1", "wrong")
            assert error_of(answer) == 24
            desk.loop.advance(delay - 0.1)
            assert (await again.call("mining.ping"))["result"] == "pong"
            desk.loop.advance(0.2)
            assert await again.ended() == b""
        other = await desk.connect()
        assert error_of(await other.call("mining.authorize", "1.w2", "wrong")) == 24
        desk.loop.advance(1.0)
        assert await other.ended() == b""
        await (await desk.connect()).login("1.w1")
        assert desk.front.count_failed(b"1.w1") == 1


@pytest.mark.rule("A3.3")
@on_loop
async def test_a_login_that_succeeds_in_time_is_not_dropped(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        assert error_of(await peer.call("mining.authorize", "1.w1", "wrong")) == 24
        await peer.login()
        desk.loop.advance(5.0)
        assert (await peer.call("mining.ping"))["result"] == "pong"


@pytest.mark.rule("A7.4")
@on_loop
async def test_lines_are_kept_alive_by_pings_for_those_who_mine_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        worker, half = await desk.connect(), await desk.connect()
        await worker.login()
        await half.call("mining.subscribe")
        desk.front.ping_all()
        ping = await worker.line()
        assert ping == {"id": 42, "method": "mining.ping", "params": []}
        worker.write({"id": 42, "result": "pong", "error": None})
        assert (await worker.call("mining.ping"))["result"] == "pong"
        assert (await half.call("mining.ping"))["result"] == "pong"


@pytest.mark.rule("A7.3", "A7.4")
@on_loop
async def test_a_refresh_goes_to_all_who_mine_and_a_new_tip_is_clean(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peers = [await (await desk.connect()).login() for _ in range(5)]
        for template, clean in [
            (None, False),
            (small_template(prevhash_le=b"\x02" * 32), True),
        ]:
            job = desk.new_job(template)
            for peer in peers:
                notify = await peer.line()
                assert notify["params"][0] == f"{job.key:x}"
                assert notify["params"][-1] is clean


@pytest.mark.rule("A6.4", "A8.17")
@on_loop
async def test_a_flood_gets_one_harder_job_soon_and_nobody_else_hears_of_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        fast, other = await desk.connect(), await desk.connect()
        await fast.login()
        await other.login()
        desk.loop.advance(4.0)
        for _ in range(60):
            assert (await fast.submit(fast.miner.share()))["result"] is True
        assert desk.retargets == 0
        desk.loop.advance(0.2)
        assert desk.retargets == 1
        told = [await fast.line(), await fast.line()]
        assert [one["method"] for one in told] == ["mining.set_difficulty", "mining.notify"]
        assert fast.miner.difficulty > 100 * EASY
        assert (await other.call("mining.ping"))["result"] == "pong"
        assert other.miner.difficulty == EASY


@pytest.mark.rule("A8.15")
@on_loop
async def test_endless_refusals_are_helped_then_reconnected_then_dropped(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()

        async def refused_for(seconds: float) -> None:
            """One refusal in ten seconds: fewer than there are sweeps."""
            for at in range(int(seconds) // 5):
                if at % 2 == 0:
                    share = ["1.w1", "dead", "00" * 8, "00000000", "00000000"]
                    assert error_of(await peer.submit(share)) == 21
                await desk.sweep(5)

        await refused_for(REFUSED_AGAIN_S + 20)
        await refused_for(REFUSED_RECONNECT_S - REFUSED_AGAIN_S)
        await refused_for(5)
        heard = peer.miner.raw.decode().split("\n")
        assert sum('"method":"mining.notify"' in line for line in heard) == 2
        assert sum('"method":"mining.set_difficulty"' in line for line in heard) == 2
        assert sum("client.reconnect" in line for line in heard) == 1
        assert peer.connection in desk.front.connections
        for _ in range(int(REFUSED_DROP_S - REFUSED_RECONNECT_S) // 5 + 3):
            if peer.connection.session.state is State.CLOSED:
                break
            peer.write({"id": 1, "method": "mining.submit", "params": ["1.w1"] * 5})
            await turns()
            await desk.sweep(5)
        assert peer.connection not in desk.front.connections


@pytest.mark.rule("A8.15")
@on_loop
async def test_one_accepted_share_forgives_refusals_and_silence_counts_for_nothing(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        stale = ["1.w1", "dead", "00" * 8, "00000000", "00000000"]
        for _ in range(4):
            assert error_of(await peer.submit(stale)) == 21
            await desk.sweep(50)
            assert (await peer.submit(peer.miner.share()))["result"] is True
            await desk.sweep(5)
        for _ in range(100):
            await desk.sweep(5)
        assert peer.connection in desk.front.connections
        assert b"reconnect" not in peer.miner.raw


@pytest.mark.rule("A1.2")
@on_loop
async def test_lines_behind_a_first_login_wait_for_the_register(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        peer.write(
            b'{"id":1,"method":"mining.subscribe","params":[]}\n'
            b'{"id":2,"method":"mining.authorize","params":["1.new","%b"]}\n'
            b'{"id":3,"method":"mining.ping","params":[]}\n' % TOKEN.encode()
        )
        assert (await peer.line())["id"] == 1
        peer.write({"id": 4, "method": "mining.ping", "params": []})
        await turns()
        ((wanted, done),) = desk.wanted
        assert (wanted.participant, wanted.worker) == (1, "new")
        done(77)
        lines = [await peer.line() for _ in range(5)]
        assert [one["id"] for one in lines if "method" not in one] == [2, 3, 4]
        assert (await peer.submit(peer.miner.share("1.new")))["result"] is True


@on_loop
async def test_the_registers_answer_to_a_connection_that_left_is_ignored(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.call("mining.subscribe")
        peer.write({"id": 2, "method": "mining.authorize", "params": ["1.new", TOKEN]})
        await until(lambda: desk.wanted)
        ((_, done),) = desk.wanted
        peer.connection.abort()
        await peer.ended()
        done(77)
        assert not desk.front.connections


@on_loop
async def test_a_suspended_participants_connections_are_closed_and_others_stay(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        gone, stays, both = [await desk.connect() for _ in range(3)]
        await gone.login("1.w1")
        await stays.login("3.w1")
        await both.login("1.w1")
        assert (await both.call("mining.authorize", "3.w1", TOKEN))["result"] is True
        desk.register.replace(participant(1, active=False))
        desk.front.participants_changed([1])
        assert await gone.ended() == b""
        assert (await stays.submit(stays.miner.share("3.w1")))["result"] is True
        assert error_of(await both.submit(both.miner.share("1.w1"))) == 24
        assert (await both.submit(both.miner.share("3.w1")))["result"] is True
        again = await desk.connect()
        assert error_of(await again.call("mining.authorize", "1.w1", TOKEN)) == 24


@on_loop
async def test_a_share_is_true_only_when_the_journal_has_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        journal = JournalReader(tmp_path)
        for number in range(1, 21):
            share = peer.miner.share()
            assert (await peer.submit(share))["result"] is True
            assert journal.durable() >= number
            (record,) = journal.read(number - 1, 1)
            assert int(record["nonce"]) == int(share[4], 16)
            header = journal.job(int(record["job_key"])).header(record)
            assert header[76:] == int(share[4], 16).to_bytes(4, "little")


@on_loop
async def test_replies_of_one_line_keep_their_order_when_some_wait_for_the_journal(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        for number in range(300):
            share = peer.miner.share() if number % 3 else ["1.w1"] * 5
            peer.write({"id": number, "method": "mining.submit", "params": share})
            if number % 7 == 0:
                await asyncio.sleep(0)
        answers = [await peer.line() for _ in range(300)]
        assert [one["id"] for one in answers] == list(range(300))
        assert [one["result"] is True for one in answers] == [bool(n % 3) for n in range(300)]


@pytest.mark.rule("A8.13")
@on_loop
async def test_a_block_goes_to_the_edges_and_the_journal_whatever_the_share_earns(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, template=small_template(block_target=ALL)) as desk:
        peer = await desk.connect()
        await peer.login()
        share = peer.miner.share()
        desk.new_job(small_template(prevhash_le=b"\x03" * 32))
        assert error_of(await peer.submit(share)) == 21
        (found,) = desk.found
        assert found.job.key == int(share[1], 16)
        assert found.extranonce2.hex() == share[2]
        block = found.job.block_start(found.header, found.extranonce1, found.extranonce2)
        assert block[:80] == found.header
        assert (await peer.submit(peer.miner.share()))["result"] is True
        first, second = JournalReader(tmp_path).read(0, 2)
        assert int(first["flags"]) == FLAG_BLOCK | FLAG_UNCREDITED
        assert int(second["flags"]) == 0


@pytest.mark.rule("A2.7", "A8.16")
@on_loop
async def test_a_miner_whose_line_broke_resumes_on_a_new_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        first = await desk.connect()
        await first.login()
        share = first.miner.share()
        sid = first.connection.session.session_id
        first.connection.abort()
        await first.ended()
        again = await desk.connect()
        await again.call("mining.subscribe", "cgminer/4.11.1", sid)
        assert again.miner.extranonce1 == first.miner.extranonce1
        assert (await again.call("mining.authorize", "1.w1", TOKEN))["result"] is True
        assert (await again.line())["method"] == "mining.set_difficulty"
        assert (await again.line())["method"] == "mining.notify"
        assert (await again.submit(share))["result"] is True


@pytest.mark.rule("A2.8")
@on_loop
async def test_extranonces_of_lines_that_never_mined_are_free_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        worker = await desk.connect()
        await worker.login()
        sid = worker.connection.session.session_id
        worker.connection.abort()
        await worker.ended()
        for number in range(30):
            passer_by = await desk.connect()
            await passer_by.call("mining.subscribe", "probe", sid if number == 9 else None)
            passer_by.connection.abort()
            await passer_by.ended()
        assert desk.front.claims._values._taken == set()


@pytest.mark.rule("A1.14")
@on_loop
async def test_a_web_browser_is_closed_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        browser = await desk.connect()
        browser.write(b"GET / HTTP/1.1\r\nHost: pool\r\n\r\n")
        assert await browser.ended() == b""
        await turns()
        assert not desk.front.connections


@on_loop
async def test_what_was_owed_is_sent_before_a_line_too_long_ends_the_connection(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        share = peer.miner.share()
        peer.write({"id": 7, "method": "mining.submit", "params": share})
        peer.write(b"x" * 20_000)
        assert await peer.ended() == b'{"id":7,"result":true,"error":null}\n'


@on_loop
async def test_a_peer_that_finishes_sending_still_hears_its_last_answers(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        peer.write({"id": 7, "method": "mining.submit", "params": peer.miner.share()})
        peer.writer.write_eof()
        assert await peer.ended() == b'{"id":7,"result":true,"error":null}\n'


@on_loop
async def test_one_connection_too_many_is_closed_at_accept(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_max=2) as desk:
        first, _second = await desk.connect(), await desk.connect()
        third = await desk.connect()
        assert await third.ended() == b""
        assert (await first.call("mining.ping"))["result"] == "pong"


@on_loop
async def test_closing_all_leaves_nobody_and_acknowledges_nothing_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peers = [await (await desk.connect()).login() for _ in range(3)]
        desk.front.close_all("shutting down")
        for peer in peers:
            assert await peer.ended() == b""
        assert not desk.front.connections
        assert all(peer.connection.session.state is State.CLOSED for peer in peers)
