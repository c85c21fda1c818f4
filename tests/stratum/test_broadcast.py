"""Jobs on their way to all: every miner's bytes stay in order, whichever way they take."""

import json
import socket
from pathlib import Path

import pytest

from kench.pool.clock import ManualClock
from kench.stratum.broadcast import CONNECTIONS_AT_ONCE, CONNECTIONS_FIRST, SLICE_S, Broadcast
from kench.stratum.connection import WRITE_HIGH_BYTES
from tests.support.jobs import small_template
from tests.support.sessions import EASY, easy_limits
from tests.support.stratum_client import Desk, Peer, on_loop, serving, turns


class PassingClock(ManualClock):
    """A clock that moves on by a whole slice each time it is asked."""

    def monotonic(self) -> float:
        self.advance(SLICE_S)
        return super().monotonic()


async def logged_in(desk: Desk, count: int) -> list[Peer]:
    return [await (await desk.connect()).login() for _ in range(count)]


async def newest_job(peer: Peer) -> str:
    line = await peer.line()
    assert line["method"] == "mining.notify"
    key: str = line["params"][0]
    return key


@pytest.mark.rule("A7.3")
@on_loop
async def test_a_plain_socket_is_written_to_at_once_and_nothing_waits(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peers = await logged_in(desk, 3)
        assert all(peer.connection.is_direct() for peer in peers)
        job = desk.new_job()
        # Not one turn of the loop since: the bytes are with the kernel already.
        assert all(not peer.connection.transport.get_write_buffer_size() for peer in peers)
        assert [await newest_job(peer) for peer in peers] == [f"{job.key:x}"] * 3
        assert desk.front.broadcast.last_sent == 3


@pytest.mark.rule("A1.2")
@on_loop
async def test_replies_that_wait_for_the_journal_come_before_the_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        (peer,) = await logged_in(desk, 1)
        fields = json.dumps(peer.miner.share())
        line = b'{"id":9,"method":"mining.submit","params":%b}\n' % fields.encode()
        peer.connection.data_received(line)
        assert peer.connection.awaiting == 1
        assert not peer.connection.is_direct()
        job = desk.new_job()
        assert (await peer.line())["id"] == 9
        assert await newest_job(peer) == f"{job.key:x}"
        assert peer.connection.is_direct()


@pytest.mark.rule("A1.17", "A7.3")
@on_loop
async def test_a_socket_that_is_full_gets_every_line_whole_once_it_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        (peer,) = await logged_in(desk, 1)
        connection = peer.connection
        raw = connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.reader._limit = 1  # type: ignore[attr-defined] # the stream stops reading
        keys = []
        while not connection.transport.get_write_buffer_size():
            keys.append(f"{desk.new_job().key:x}")
            await turns()
        assert not connection.is_direct()
        assert connection.transport.get_write_buffer_size() < WRITE_HIGH_BYTES
        keys += [f"{desk.new_job().key:x}" for _ in range(3)]
        peer.reader._limit = 1 << 16  # type: ignore[attr-defined]
        peer.reader._maybe_resume_transport()  # type: ignore[attr-defined]
        assert [await newest_job(peer) for _ in keys] == keys


@pytest.mark.rule("A6.4")
@on_loop
async def test_a_difficulty_that_changed_stands_before_the_job_and_others_get_it_alone(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, easy_limits(start=EASY)) as desk:
        wishing, other = await logged_in(desk, 2)
        wishing.connection.session.difficulty.wish(EASY * 64)
        desk.new_job()
        assert (await wishing.line())["method"] == "mining.set_difficulty"
        assert (await wishing.line())["method"] == "mining.notify"
        assert (await other.line())["method"] == "mining.notify"
        assert wishing.miner.difficulty == EASY * 64


@on_loop
async def test_a_connection_that_closes_is_not_written_to(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        leaving, staying = await logged_in(desk, 2)
        leaving.connection.close("a test")
        assert not leaving.connection.is_direct()
        job = desk.new_job()
        assert b"notify" not in await leaving.ended()
        assert leaving.connection.descriptor == -1
        assert await newest_job(staying) == f"{job.key:x}"


@on_loop
async def test_shares_are_answered_between_slices_and_a_newer_job_overtakes(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peers = await logged_in(desk, 2 * CONNECTIONS_AT_ONCE + 1)
        # The clock says after each few that their slice is over.
        desk.front.broadcast = Broadcast(desk.loop, PassingClock())  # type: ignore[arg-type]
        first = desk.new_job()
        keys = [peer.connection.session.job_key for peer in peers]
        assert keys.count(first.key) == CONNECTIONS_FIRST
        newer = desk.new_job(small_template(prevhash_le=b"\x03" * 32))
        await turns()
        assert {peer.connection.session.job_key for peer in peers} == {newer.key}
        assert desk.front.broadcast.last_sent == len(peers)
        assert desk.front.broadcast.last_s > 0
        got_both = [peer for peer in peers if await newest_job(peer) == f"{first.key:x}"]
        assert len(got_both) == CONNECTIONS_FIRST
        for peer in got_both:
            assert await newest_job(peer) == f"{newer.key:x}"


@pytest.mark.rule("A6.4", "A7.3")
@on_loop
async def test_a_job_for_some_goes_on_while_another_goes_to_all(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peers = await logged_in(desk, CONNECTIONS_AT_ONCE + 2)
        desk.front.broadcast = Broadcast(desk.loop, PassingClock())  # type: ignore[arg-type]
        everyone = desk.new_job()
        waiting = [one for one in peers if one.connection.session.job_key < everyone.key]
        wishing = waiting[0]
        wishing.connection.session.difficulty.wish(EASY * 64)
        desk.front.want_retarget(wishing.connection)
        retarget = desk.new_job(for_all=False)
        await turns()
        assert wishing.connection.session.job_key == retarget.key
        assert waiting[1].connection.session.job_key == everyone.key
        assert (await wishing.line())["method"] == "mining.set_difficulty"
        notify = await wishing.line()
        assert notify["params"][0] == f"{retarget.key:x}"
