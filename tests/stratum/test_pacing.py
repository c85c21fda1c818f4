"""What waits has its turn, in order, for a moment of each turn of the loop, at a rate."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from kench.pool.clock import ManualClock
from kench.stratum.pacing import GATHER_S, TOKENS_MAX_S, TURN_S, Pacer


class Turns:
    """A loop whose turns the test takes."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.soon: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.done: list[int] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.later.append((delay, callback))

    def pacer(self, per_s: float = 1e6) -> Pacer:
        loop: Any = self
        return Pacer(loop, self.clock, per_s)

    def work(self, number: int, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        self.done.append(number)

    def turn(self) -> list[int]:
        """Take one turn, a moment later; return what was done in it."""
        self.done = []
        ready, self.soon = self.soon, []
        ready += [callback for delay, callback in self.later if delay <= GATHER_S]
        self.later = [one for one in self.later if one[0] > GATHER_S]
        for callback in ready:
            callback()
        return self.done


def test_work_is_done_in_order_and_in_a_turn_of_its_own() -> None:
    turns = Turns()
    pacer = turns.pacer()
    for number in range(5):
        pacer.queue(partial(turns.work, number))
    assert (turns.done, len(pacer)) == ([], 5)
    assert turns.turn() == [0, 1, 2, 3, 4]
    assert turns.turn() == []
    assert not turns.soon


def test_a_turn_ends_when_its_time_is_up_and_the_rest_keeps_its_order() -> None:
    turns = Turns()
    pacer = turns.pacer()
    for number in range(10):
        pacer.queue(partial(turns.work, number, TURN_S * 0.3))
    assert turns.turn() == [0, 1, 2, 3]
    pacer.queue(partial(turns.work, 10))
    assert turns.turn() == [4, 5, 6, 7]
    assert turns.turn() == [8, 9, 10]


def test_the_rate_is_kept_and_what_was_not_used_gathers_for_a_moment_only() -> None:
    turns = Turns()
    pacer = turns.pacer(per_s=100.0)
    turns.clock.advance(3600.0)
    for number in range(30):
        pacer.queue(partial(turns.work, number))
    burst = round(100.0 * TOKENS_MAX_S)
    assert turns.turn() == list(range(burst))
    assert not turns.soon
    ((delay, resume),) = turns.later
    assert delay == pytest.approx(0.01)
    turns.clock.advance(0.0501)
    turns.done = []
    resume()
    assert turns.done == list(range(burst, burst + 5))


def test_work_that_raises_takes_nobodys_turn() -> None:
    turns = Turns()
    pacer = turns.pacer()

    def broken() -> None:
        raise AssertionError("broken")

    pacer.queue(broken)
    pacer.queue(partial(turns.work, 1))
    with pytest.raises(AssertionError, match="broken"):
        turns.turn()
    assert turns.turn() == [1]
