"""What the acknowledger tells the journal's readers beside the shares: that time passes."""

import asyncio
from pathlib import Path

from kench.pool.journal import JournalReader
from kench.stratum.acknowledge import WATERMARK_S
from tests.support.stratum_client import ANSWER_S, on_loop, serving
from tests.support.waiting import until


async def told(journal: JournalReader, watermark_us: int) -> None:
    await until(lambda: journal.mark().watermark_us == watermark_us)


@on_loop
async def test_an_idle_front_says_twice_a_second_that_its_time_has_passed(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        journal = JournalReader(tmp_path)
        for _ in range(3):
            desk.loop.advance(WATERMARK_S)
            await told(journal, desk.clock.now_us())


@on_loop
async def test_shares_after_a_time_that_was_told_are_not_before_it_though_the_clock_is_set_back(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        journal = JournalReader(tmp_path)
        desk.loop.advance(WATERMARK_S)
        before_us = desk.clock.now_us()
        await told(journal, before_us)
        desk.clock.step(-60)
        for _ in range(3):
            assert (await peer.submit(peer.miner.share()))["result"] is True
        times = journal.read(0, 10)["time_us"].tolist()
        assert len(times) == 3
        assert before_us <= times[0] <= times[1] <= times[2] < journal.mark().watermark_us
        assert times[2] < before_us + 1000


@on_loop
async def test_replies_longer_than_the_socket_takes_arrive_whole_and_in_order(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login()
        pieces = [b"%07d\n" % number * 12_500 for number in range(8)]
        for piece in pieces:
            desk.front.acknowledger.send(peer.connection, piece)
        assert peer.connection.awaiting == 1
        for piece in pieces:
            heard = await asyncio.wait_for(peer.reader.readexactly(len(piece)), ANSWER_S)
            assert heard == piece
        assert peer.connection.awaiting == 0


@on_loop
async def test_a_reply_to_a_line_that_has_ended_goes_nowhere(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        gone, there = await desk.connect(), await desk.connect()
        await gone.login()
        await there.login()
        desk.front.acknowledger.send(gone.connection, b"to nobody\n")
        desk.front.acknowledger.send(there.connection, b"to somebody\n")
        gone.connection.abort()
        assert await there.reader.readline() == b"to somebody\n"
        assert gone.connection.awaiting == 0
        assert await gone.ended() == b""
