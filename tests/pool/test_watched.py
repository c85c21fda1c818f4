"""However late questions and answers are, no two processes hold a lease by their own word."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from kench.pool.clock import ManualClock
from kench.pool.watched import Watched

TTL_S = 8.0
WAITS_S = (1.0, 3.0, 4.0)
"""They add up to it, and to a little less or more."""
MEMBERS = 2
STORIES, LENGTH = 4000, 60


class Act(StrEnum):
    """What may happen to a member next."""

    STEP = "step"
    """What is under way arrives; where nothing is, it asks."""
    LOSE = "lose"
    """The answer that is under way is lost."""
    LET_GO = "let go"


@dataclass(frozen=True)
class Row:
    """What all see of the lease."""

    beat: int = 0
    holder: int | None = None


@dataclass
class Member:
    """A process: its clock, what it knows, and what is under way between it and the row."""

    number: int
    clock: ManualClock
    watched: Watched[Row] = field(init=False)
    mine: Row | None = None
    """The row as it wrote it last."""
    under_way: Callable[[], None] | None = None
    is_answer: bool = False

    def __post_init__(self) -> None:
        self.watched = Watched(TTL_S, self.clock)


class Lease:
    """Several who want it, by clocks that differ; each question and answer takes a while."""

    def __init__(self, offsets: list[int]) -> None:
        self.row = Row()
        self.members = [Member(number, ManualClock()) for number in range(len(offsets))]
        for member, offset_s in zip(self.members, offsets, strict=True):
            member.clock.advance(offset_s)

    @property
    def holders(self) -> list[int]:
        """Return who holds it by their own word."""
        return [member.number for member in self.members if member.watched.is_held]

    def let_pass(self, seconds: float) -> None:
        for member in self.members:
            member.clock.advance(seconds)

    def act(self, act: Act, member: Member) -> None:
        match act:
            case Act.STEP:
                (member.under_way or self._ask(member))()
            case Act.LOSE:
                if member.is_answer:
                    member.under_way = None
            case Act.LET_GO:
                if member.under_way is None and member.watched.is_held:
                    self._let_go(member)

    def _let_go(self, member: Member) -> None:
        member.watched.lose()
        if self.row == member.mine:
            self.row = Row(self.row.beat + 1)

    def _ask(self, member: Member) -> Callable[[], None]:
        """Renew it where it is ours, else look: return what arrives first."""
        if member.watched.is_held:
            assert member.mine is not None
            return self._writing(member, member.mine)
        return lambda: self._answer(member, self._heard(member, self.row))

    @staticmethod
    def _answer(member: Member, hear: Callable[[], None]) -> None:
        def arrive() -> None:
            member.under_way, member.is_answer = None, False
            hear()

        member.under_way, member.is_answer = arrive, True

    def _heard(self, member: Member, told: Row) -> Callable[[], None]:
        def hear() -> None:
            if member.watched.look(told) or told.holder is None:
                member.under_way = self._writing(member, told)

        return hear

    def _writing(self, member: Member, after: Row) -> Callable[[], None]:
        """Return what writes the row where it is still so, and answers."""
        began_s = member.watched.begin()

        def write() -> None:
            written = Row(after.beat + 1, member.number)
            is_done = self.row == after
            if is_done:
                self.row = written

            def hear() -> None:
                if is_done:
                    member.mine = written
                    member.watched.hold(began_s)
                else:
                    member.watched.lose()

            self._answer(member, hear)

        return write


def happening(draw: random.Random) -> tuple[Act, int] | float:
    """Draw what happens next to one of them, or how long nothing does."""
    if draw.random() < 0.2:
        return draw.choice(WAITS_S)
    act = Act.STEP if draw.random() < 0.9 else draw.choice([Act.LOSE, Act.LET_GO])
    return act, draw.randrange(MEMBERS)


def test_no_two_hold_it_by_their_own_word_however_late_questions_and_answers_are() -> None:
    takeovers = 0
    for seed in range(STORIES):
        draw = random.Random(seed)
        lease, last = Lease([draw.randrange(10**6) for _ in range(MEMBERS)]), None
        for _ in range(LENGTH):
            match happening(draw):
                case (act, number):
                    lease.act(act, lease.members[number])
                case seconds:
                    lease.let_pass(seconds)
            assert len(lease.holders) <= 1, f"story {seed}"
            if lease.holders:
                takeovers += last not in (None, lease.holders[0])
                last = lease.holders[0]
    assert takeovers > STORIES // 5, "the stories would tell of nothing"


def test_who_looks_on_may_take_it_when_it_was_the_same_for_a_whole_ttl() -> None:
    clock = ManualClock()
    watched = Watched[str](TTL_S, clock)
    assert watched.seen is None
    assert not watched.look("first")
    clock.advance(TTL_S - 0.5)
    assert not watched.look("first")
    assert not watched.look("second"), "its holder lives"
    clock.advance(TTL_S)
    assert watched.look("second")
    assert watched.seen == "second"


@pytest.mark.parametrize("answered_after_s", [0.0, TTL_S / 2, TTL_S])
def test_a_holder_counts_from_before_it_asked(answered_after_s: float) -> None:
    clock = ManualClock()
    watched = Watched[str](TTL_S, clock)
    began_s = watched.begin()
    clock.advance(answered_after_s)
    watched.hold(began_s)
    assert watched.is_held is (answered_after_s < TTL_S)
    clock.advance(TTL_S - answered_after_s)
    assert not watched.is_held
    watched.hold(watched.begin())
    watched.lose()
    assert not watched.is_held
