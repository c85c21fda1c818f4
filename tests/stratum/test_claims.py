"""Sessions across fronts: however messages, deaths and time interleave, a value has one owner."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from structlog.testing import capture_logs

from kench.native import JobTable
from kench.stratum import extranonce
from kench.stratum.claims import CLAIM_PATIENCE_S, TOLD_AFTER_S, Claims
from kench.stratum.contract import Claim
from kench.stratum.extranonce import RESUMABLE_S, Extranonces, front_of
from kench.stratum.feed import Kind, content_of
from kench.stratum.former_shares import FormerShares
from kench.stratum.maker.lending import Lending
from kench.stratum.session import State
from tests.support.fronts import Front, Miner, World
from tests.support.sessions import Pool as Sessions
from tests.support.share_journals import ShareJournal

NUMBERS = (0, 1, 2)
FEW = 10


@settings(max_examples=150, stateful_step_count=60, deadline=None)
class OneOwner(RuleBasedStateMachine):
    """No value is ever live twice, and no session waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._range = extranonce._COUNTER_RANGE
        extranonce._COUNTER_RANGE = FEW  # so that values come round
        self.world = World()
        for number in NUMBERS:
            self.world.start(number)
            self.world.deliver(number)

    def teardown(self) -> None:
        extranonce._COUNTER_RANGE = self._range

    def _front(self, number: int) -> Front | None:
        return self.world.fronts.get(number)

    def _open(self, number: int) -> bool:
        """Whether a front has room, and its doors are open: with its first job, after RESERVED."""
        front = self._front(number)
        if front is None or not front.knows_away:
            return False
        used = {value for value in front.values._taken if front_of(value) == number}
        return len(used | front.values._away) < FEW - 2

    @rule(number=st.sampled_from(NUMBERS), choice=st.integers(0, 1000), resumes=st.booleans())
    def connect(self, number: int, choice: int, resumes: bool) -> None:
        if self._open(number):
            known = self.world.sessions
            recent = known[-1 - choice % min(len(known), 6)] if resumes and known else None
            miner = self.world.miner(number, recent)
            if choice % 8:
                miner.work()
            if choice % 2:
                self.world.settle()

    @rule(number=st.sampled_from(NUMBERS), choice=st.integers(0, 1000))
    def work(self, number: int, choice: int) -> None:
        front = self._front(number)
        if front is not None and front.miners:
            front.miners[choice % len(front.miners)].work()

    @rule(number=st.sampled_from(NUMBERS), choice=st.integers(0, 1000))
    def end(self, number: int, choice: int) -> None:
        front = self._front(number)
        if front is not None and front.miners:
            front.miners[choice % len(front.miners)].end()

    @rule(number=st.sampled_from(NUMBERS))
    def deliver(self, number: int) -> None:
        if number in self.world.fronts:
            self.world.deliver(number)

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @rule(
        number=st.sampled_from(NUMBERS),
        other=st.sampled_from(NUMBERS),
        settled=st.booleans(),
        heard=st.integers(0, 4),
    )
    def move(self, number: int, other: int, settled: bool, heard: int) -> None:
        """A miner leaves a front, and comes to another, or twice to it."""
        front = self._front(number)
        if front is None or not front.miners or not self._open(other):
            return
        if settled:
            self.world.settle()
        miner = front.miners[0]
        miner.end()
        for _ in range(1 + heard % 2):
            self.world.miner(other, miner.session.session_id)
        for _ in range(heard):
            self.world.deliver(number)
            self.world.deliver(other)

    @rule(
        number=st.sampled_from(NUMBERS),
        other=st.sampled_from(NUMBERS),
        ended_first=st.booleans(),
        settled=st.booleans(),
        restarts=st.booleans(),
    )
    def die(
        self, number: int, other: int, ended_first: bool, settled: bool, restarts: bool
    ) -> None:
        """A front is killed; one of its miners comes to another, and it may start again."""
        front = self._front(number)
        if front is None or not front.miners:
            return
        if settled:
            self.world.settle()
        session_id = front.miners[0].session.session_id
        self.world.kill(number, ended_first=ended_first)
        if self._open(other):
            self.world.miner(other, session_id)
        if restarts:
            self.world.start(number)
            self.world.deliver(number)
            if self._open(number):
                self.world.miner(number).work()

    @precondition(lambda self: len(self.world.fronts) < len(NUMBERS))
    @rule()
    def restart(self) -> None:
        self.world.start(next(one for one in NUMBERS if one not in self.world.fronts))

    @rule(number=st.sampled_from(NUMBERS))
    def line(self, number: int) -> None:
        front = self._front(number)
        if front is not None and front.has_line:
            self.world.lose_line(number)
        elif front is not None:
            self.world.connect_line(number)

    @rule(seconds=st.sampled_from([0.02, 0.5, CLAIM_PATIENCE_S, RESUMABLE_S / 2, RESUMABLE_S + 1]))
    def wait(self, seconds: float) -> None:
        self.world.loop.advance(seconds)
        self.world.lending.tick()
        self.world.lending.forget_old()
        for front in self.world.fronts.values():
            front.claims.forget_old()
            if seconds >= CLAIM_PATIENCE_S:
                assert all(one.session.state is not State.CONNECTED for one in front.miners)

    @invariant()
    def one_owner(self) -> None:
        live = [
            miner.session.extranonce1
            for front in self.world.fronts.values()
            for miner in front.miners
        ]
        assert len(live) == len(set(live))
        taken = [value for front in self.world.fronts.values() for value in front.values._taken]
        assert len(taken) == len(set(taken))
        assert set(live) <= set(taken)


TestOneOwner = OneOwner.TestCase


@pytest.fixture
def world() -> World:
    made = World()
    for number in NUMBERS:
        made.start(number)
    made.settle()
    return made


def working(world: World, number: int) -> Miner:
    miner = world.miner(number)
    miner.work()
    world.settle()
    return miner


def test_a_session_alone_is_told_of_at_once_and_many_together(world: World) -> None:
    world.loop.advance(TOLD_AFTER_S)
    front = world.fronts[0]
    one, two, three = (world.miner(0) for _ in range(3))
    one.work()
    world.loop.advance(0)
    assert len(front.to_maker) == 1
    two.work()
    three.work()
    world.loop.advance(TOLD_AFTER_S / 2)
    assert len(front.to_maker) == 1
    world.loop.advance(TOLD_AFTER_S / 2)
    assert [kind for kind, _ in front.to_maker] == [Kind.HELD, Kind.HELD]


@pytest.mark.rule("A2.7")
def test_a_session_that_ends_untold_is_told_of_at_once(world: World) -> None:
    working(world, 0)
    miner = world.miner(0)
    miner.work()
    miner.end()
    world.deliver(0)
    assert world.miner(1, miner.session.session_id).session.state is State.CONNECTED
    for number in (1, 0, 1) * 3:
        world.deliver(number)
    assert world.fronts[1].miners[-1].session.extranonce1 == miner.session.extranonce1


@pytest.mark.rule("A2.7")
def test_a_session_that_ended_is_resumed_on_another_front_once(world: World) -> None:
    before = working(world, 0)
    before.end()
    first = world.miner(1, before.session.session_id)
    second = world.miner(2, before.session.session_id)
    world.settle()
    resumed = [one.session.extranonce1 == before.session.extranonce1 for one in (first, second)]
    assert sorted(resumed) == [False, True]
    assert [one.answers for one in (first, second)] == [1, 1]


@pytest.mark.rule("A2.7")
def test_a_live_session_is_never_resumed(world: World) -> None:
    before = working(world, 0)
    other = world.miner(1, before.session.session_id)
    world.settle()
    assert other.session.extranonce1 != before.session.extranonce1
    assert other.answers == 1


@pytest.mark.rule("A2.7")
@pytest.mark.parametrize("ended_first", [True, False])
def test_sessions_of_a_killed_front_are_resumed_and_its_successor_gives_others(
    world: World, ended_first: bool
) -> None:
    before = working(world, 0)
    world.kill(0, ended_first=ended_first)
    again = world.miner(1, before.session.session_id)
    world.settle()
    assert again.session.extranonce1 == before.session.extranonce1
    assert again.session.difficulty.start == 8.0
    world.start(0)
    world.settle()
    assert working(world, 0).session.extranonce1 != before.session.extranonce1


def test_a_claim_that_waits_for_a_front_to_be_known_dead_is_granted_then(world: World) -> None:
    before = working(world, 0)
    world.lose_line(0)
    again = world.miner(1, before.session.session_id)
    world.settle()
    assert again.answers == 0
    world.kill(0, ended_first=False)
    world.settle()
    assert again.session.extranonce1 == before.session.extranonce1


def test_a_miner_waits_no_longer_than_its_patience(world: World) -> None:
    before = working(world, 0)
    before.end()
    again = world.miner(1, before.session.session_id)  # and nothing is delivered
    world.loop.advance(CLAIM_PATIENCE_S)
    assert again.answers == 1
    assert again.session.extranonce1 != before.session.extranonce1
    world.settle()
    # What came too late can be resumed still.
    later = world.miner(2, before.session.session_id)
    world.settle()
    assert later.session.extranonce1 == before.session.extranonce1


def test_a_value_comes_home_when_nobody_can_resume_it_any_more(world: World) -> None:
    before = working(world, 0)
    value = before.session.extranonce1
    before.end()
    again = world.miner(1, before.session.session_id)
    world.settle()
    assert value in world.fronts[0].values._away
    again.work()
    again.end()
    world.loop.advance(RESUMABLE_S + 1)
    world.fronts[1].claims.forget_old()
    world.settle()
    assert front_of(value) == 0
    assert value not in world.fronts[0].values._away


def test_what_a_maker_knew_its_successor_knows(world: World) -> None:
    before = working(world, 0)
    before.end()
    world.miner(1, before.session.session_id)
    world.settle()
    orphan = working(world, 2)
    world.kill(2, ended_first=True)
    successor = Lending(world.say, world.loop.time)
    successor.load(world.lending.dump(), {0: world.fronts[0].pid, 1: world.fronts[1].pid})
    world.lending = successor
    for number in (0, 1):
        world.connect_line(number)
    world.start(2)
    world.settle()
    assert orphan.session.extranonce1 in world.fronts[2].values._away
    again = world.miner(0, orphan.session.session_id)
    world.settle()
    assert again.session.extranonce1 == orphan.session.extranonce1


def test_a_former_journal_that_cannot_be_read_costs_the_session_and_nothing_more(
    tmp_path: Path,
) -> None:
    former = ShareJournal(tmp_path, 7)
    former.add([10, 20], 1)
    next(former.directory.glob("*.shares")).unlink()
    job, said, answers = Sessions().job, [], []
    value, ours = bytes.fromhex("05007000"), Extranonces(1)

    async def claim() -> None:
        let_go = asyncio.Event()

        def say(kind: Kind, body: bytes) -> bool:
            said.append((kind, body))
            if kind is Kind.GONE:
                let_go.set()
            return True

        claims = Claims(
            asyncio.get_running_loop(),
            ours,
            JobTable(),
            FormerShares(tmp_path),
            lambda: {job.key: job.prepared},
            lambda _sequence: True,
            say,
        )
        claimant: Any = SimpleNamespace(claim_answered=answers.append)
        claims.ask(claimant, Claim("0" * 15 + "1"))
        asked = content_of(said.pop()[1])
        grant = {"value": value.hex(), "difficulty": 8.0, "holders": [[7, 1]]}
        claims.take_message(Kind.GRANT, json.dumps(asked | grant).encode())
        await asyncio.wait_for(let_go.wait(), 30)
        claims.stop()

    with capture_logs() as logs:
        asyncio.run(claim())
    assert answers == [None]
    assert said == [(Kind.GONE, value)]
    assert ours.adopt(value)
    assert [(one["event"], "restore it" in one["why"]) for one in logs] == [("not resumed", True)]
