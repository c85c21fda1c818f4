"""Retarget jobs of all fronts together come no faster than those of one."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.clock import ManualClock
from kench.stratum.front import RETARGET_S, RETARGET_SOON_S
from kench.stratum.maker.retargets import Retargets
from tests.support.stratum_client import HandLoop, run, serving


@pytest.mark.rule("A6.4")
@given(waits=st.lists(st.floats(0.0, 4.0), max_size=40))
def test_each_wish_is_fulfilled_in_time_and_no_two_jobs_crowd(waits: list[float]) -> None:
    async def test() -> None:
        clock = ManualClock()
        loop: Any = HandLoop(asyncio.get_running_loop(), clock)
        made: list[float] = []
        retargets = Retargets(loop, lambda: made.append(loop.time()))
        wishes = []
        for wait in waits:
            loop.advance(wait)
            wishes.append(loop.time())
            retargets.want()
            loop.advance(0.0)
        for _ in range(40):
            loop.advance(0.1)
        steps = [later - earlier for earlier, later in itertools.pairwise(made)]
        assert all(step >= RETARGET_S - 1e-6 for step in steps)
        for wish in wishes:  # a timer rings when time is moved, at most 4 s late here
            assert any(wish - 1e-6 <= at <= wish + RETARGET_S + 4.1 for at in made)

    asyncio.run(test())


@pytest.mark.rule("A6.4")
def test_a_front_counts_the_job_that_another_asked_for(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path) as desk:
            peer = await desk.connect()
            await peer.login()
            desk.loop.advance(4.0)
            desk.new_job(for_all=False)
            for _ in range(60):
                assert (await peer.submit(peer.miner.share()))["result"] is True
            desk.loop.advance(RETARGET_SOON_S * 2)
            assert desk.retargets == 0
            desk.loop.advance(RETARGET_S)
            assert desk.retargets == 1

    run(test())
