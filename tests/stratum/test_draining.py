"""A front that is replaced lets everybody go: all within its time, asked first where that helps."""

import itertools
import random
from pathlib import Path

from kench.stratum.draining import RECONNECT_PATIENCE_S, STEP_S, Draining
from tests.support.stratum_client import on_loop, serving, turns

DRAIN_S = 0.5


@on_loop
async def test_connections_are_let_go_at_an_even_pace_and_the_end_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        peers = [await desk.connect() for _ in range(20)]
        for peer in peers:
            await peer.login()
        done: list[bool] = []
        draining = Draining(
            desk.loop, desk.front, DRAIN_S, lambda: done.append(True), random.Random(1)
        )
        draining.begin()
        left = []
        for _ in range(int(DRAIN_S / STEP_S) + 2):
            desk.loop.advance(STEP_S)
            await turns()
            left.append(len(desk.front.connections))
        assert left[-1] == 0
        assert 5 <= left[3] <= 15
        assert max(a - b for a, b in itertools.pairwise([20, *left])) <= 4
        assert done == [True]


@on_loop
async def test_who_honours_it_is_asked_to_come_again_before_the_line_is_closed(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as desk:
        peer = await desk.connect()
        await peer.login(agent="cgminer/4.11.1")
        share = await peer.submit(peer.miner.share())
        assert share["result"] is True
        draining = Draining(desk.loop, desk.front, 0.0, lambda: None, random.Random(1))
        draining.begin()
        desk.loop.advance(STEP_S)
        await turns()
        assert (await peer.line())["method"] == "client.reconnect"
        assert desk.front.connections  # it has its time to go by itself
        desk.loop.advance(RECONNECT_PATIENCE_S)
        await turns()
        desk.loop.advance(STEP_S)
        assert await peer.ended() == b""
        assert not desk.front.connections
