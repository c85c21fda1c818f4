"""Whatever the method: the sum is exact, work pays, order and division of it do not matter."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.methods import Credit, work_of_credits
from kench.payouts.methods.pplns import Pplns
from kench.payouts.methods.round import Round
from kench.payouts.split import split

Method = Callable[[list[Credit]], dict[int, int]]

REWARDS = st.integers(0, 21 * 10**14)
WORK = st.one_of(st.integers(0, 5), st.integers(0, 2**90))
CREDITS = st.lists(st.tuples(st.integers(1, 8), WORK), min_size=1, max_size=40).filter(
    lambda credited: credited[-1][1] > 0
)
"""Credits in the pool's order; the last one is the winning share's."""


def by_round(credited: list[Credit]) -> dict[int, int]:
    """All work since the block before; that of a day is gathered the same."""
    window = Round(credited[: len(credited) // 2])
    window.add(credited[len(credited) // 2 :])
    return window.work_hashes()


def by_pplns(hashes: int) -> Method:
    """A window of so much work."""

    def method(credited: list[Credit]) -> dict[int, int]:
        window = Pplns(hashes)
        window.take(reversed(credited))
        return window.work_hashes()

    return method


METHODS = st.one_of(st.just(by_round), st.integers(1, 2**91).map(by_pplns))


@given(METHODS, CREDITS, REWARDS)
def test_the_sum_is_exact(method: Method, credited: list[Credit], reward_sat: int) -> None:
    work_hashes = method(credited)
    assert sum(split(reward_sat, work_hashes).values()) == reward_sat
    assert sum(work_hashes.values()) <= sum(work for _, work in credited)


@given(METHODS, CREDITS, REWARDS)
def test_zero_work_earns_nothing(method: Method, credited: list[Credit], reward_sat: int) -> None:
    assert 99 not in split(reward_sat, method([(99, 0), *credited, (99, 0)]))


@given(METHODS, CREDITS, REWARDS, st.data())
def test_more_work_never_earns_less(
    method: Method, credited: list[Credit], reward_sat: int, data: st.DataObject
) -> None:
    """Of two records made at one time by two participants, the larger earns no less."""
    where = data.draw(st.integers(0, len(credited)))
    less, more = sorted(data.draw(st.tuples(WORK, WORK).filter(lambda two: two[0] != two[1])))
    earned = []
    for pair in ([(98, less), (99, more)], [(99, more), (98, less)]):
        work_hashes = method([*credited[:where], *pair, *credited[where:]])
        amounts = split(reward_sat, work_hashes)
        earned.append((amounts.get(98, 0), amounts.get(99, 0)))
    # At the edge of a window the older of the two can be cut: only where neither is, or where it
    # makes no difference which is older, are they compared.
    if earned[0] == earned[1]:
        assert earned[0][0] <= earned[0][1]


@given(METHODS, CREDITS, REWARDS, st.data())
def test_who_adds_work_of_its_own_earns_no_less(
    method: Method, credited: list[Credit], reward_sat: int, data: st.DataObject
) -> None:
    who = data.draw(st.sampled_from([who for who, _ in credited]))
    # Newer than all but the winning share: nothing of it can be cut before what it displaces.
    more = [*credited[:-1], (who, data.draw(WORK)), credited[-1]]
    before, after = method(credited), method(more)
    share_before = before.get(who, 0) * sum(after.values())
    assert after.get(who, 0) * sum(before.values()) >= share_before
    earned_before = split(reward_sat, before).get(who, 0)
    assert split(reward_sat, after).get(who, 0) >= earned_before - 1  # rounding


@given(CREDITS, st.randoms(use_true_random=False))
def test_order_does_not_matter_to_a_round(credited: list[Credit], random: Random) -> None:
    shuffled = list(credited)
    random.shuffle(shuffled)
    assert by_round(shuffled) == by_round(credited)


@given(CREDITS, st.integers(1, 2**91), st.randoms(use_true_random=False))
def test_order_does_not_matter_within_a_window(
    credited: list[Credit], hashes: int, random: Random
) -> None:
    window = Pplns(hashes)
    taken = window.take(reversed(credited))
    # The oldest share of the window, which is cut, stays the oldest.
    inside = credited[len(credited) - taken + 1 :]
    random.shuffle(inside)
    shuffled = [*credited[: len(credited) - taken + 1], *inside]
    assert by_pplns(hashes)(shuffled) == window.work_hashes()


@given(METHODS, CREDITS, REWARDS)
def test_being_two_participants_changes_nothing_but_rounding(
    method: Method, credited: list[Credit], reward_sat: int
) -> None:
    halves = [(who + 100 * (place % 2), work) for place, (who, work) in enumerate(credited)]
    as_one, as_two = method(credited), method(halves)
    amounts_one, amounts_two = split(reward_sat, as_one), split(reward_sat, as_two)
    for who, work in as_one.items():
        assert work == as_two.get(who, 0) + as_two.get(who + 100, 0)
        both_sat = amounts_two.get(who, 0) + amounts_two.get(who + 100, 0)
        assert abs(both_sat - amounts_one[who]) <= 2


@pytest.mark.parametrize(
    "method", [lambda credited: Round(credited).work_hashes(), by_pplns(9), work_of_credits]
)
def test_negative_work_is_refused(method: Method) -> None:
    with pytest.raises(ValueError, match="never negative"):
        method([(1, -1)])
