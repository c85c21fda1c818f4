"""The reward split is exact, fair to a satoshi, and blind to order."""

import itertools
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.split import NothingToSplitByError, split

REWARDS = st.integers(0, 21 * 10**14)
CREDITS = st.dictionaries(
    st.integers(1, 2**31 - 1), st.integers(0, 2**90), min_size=1, max_size=40
).filter(lambda work_hashes: sum(work_hashes.values()) > 0)
SMALL_CREDITS = st.dictionaries(
    st.integers(1, 50), st.integers(0, 4), min_size=1, max_size=20
).filter(lambda work_hashes: sum(work_hashes.values()) > 0)

VAST_CREDITS = st.dictionaries(
    st.integers(1, 50), st.integers(2**250, 10**78 - 1), min_size=1, max_size=20
)
NEAR_CREDITS = st.dictionaries(
    st.integers(1, 50), st.integers(2**200, 2**200 + 9), min_size=1, max_size=40
)


def test_three_equal_participants_get_the_odd_satoshi_by_lowest_id() -> None:
    assert split(312_500_000, {9: 7, 3: 7, 5: 7}) == {
        3: 104_166_667,
        5: 104_166_667,
        9: 104_166_666,
    }


def test_largest_fraction_wins_over_lowest_id() -> None:
    # Due 0.3, 0.3 and 0.4 of one satoshi.
    assert split(1, {1: 3, 2: 3, 3: 4}) == {1: 0, 2: 0, 3: 1}


@given(REWARDS, st.one_of(CREDITS, SMALL_CREDITS))
def test_amounts_sum_to_the_reward(reward_sat: int, work_hashes: dict[int, int]) -> None:
    assert sum(split(reward_sat, work_hashes).values()) == reward_sat


@given(REWARDS, st.one_of(CREDITS, SMALL_CREDITS))
def test_nobody_is_a_whole_satoshi_away_from_what_is_due(
    reward_sat: int, work_hashes: dict[int, int]
) -> None:
    work_sum = sum(work_hashes.values())
    for participant_id, amount_sat in split(reward_sat, work_hashes).items():
        due = Fraction(reward_sat * work_hashes[participant_id], work_sum)
        assert abs(amount_sat - due) < 1


@given(REWARDS, st.one_of(CREDITS, SMALL_CREDITS))
def test_more_work_never_earns_less_and_none_earns_nothing(
    reward_sat: int, work_hashes: dict[int, int]
) -> None:
    amounts = split(reward_sat, work_hashes)
    by_work = sorted(work_hashes, key=lambda participant_id: work_hashes[participant_id])
    for less, more in itertools.pairwise(by_work):
        if work_hashes[less] < work_hashes[more]:
            assert amounts[less] <= amounts[more]
    assert all(amounts[idle] == 0 for idle, work in work_hashes.items() if work == 0)


@given(REWARDS, SMALL_CREDITS, st.randoms(use_true_random=False))
def test_order_of_credits_does_not_matter(
    reward_sat: int, work_hashes: dict[int, int], random: Random
) -> None:
    shuffled = list(work_hashes.items())
    random.shuffle(shuffled)
    assert split(reward_sat, dict(shuffled)) == split(reward_sat, work_hashes)


@given(REWARDS, CREDITS, st.integers(0, 2**90), st.integers(1, 2**90))
def test_being_two_participants_changes_nothing_but_rounding(
    reward_sat: int, work_hashes: dict[int, int], part: int, other_part: int
) -> None:
    whole = work_hashes | {2**31: part + other_part}
    halves = work_hashes | {2**31: part, 2**31 + 1: other_part}
    as_one = split(reward_sat, whole)
    as_two = split(reward_sat, halves)
    # Each of the two is within one satoshi of its due, and so is the one.
    assert abs(as_two[2**31] + as_two[2**31 + 1] - as_one[2**31]) <= 2
    for participant_id in work_hashes:
        assert abs(as_two[participant_id] - as_one[participant_id]) <= 1


def plain_split(reward_sat: int, work_hashes: dict[int, int]) -> dict[int, int]:
    """The rule itself, one participant after the other."""
    work_sum = sum(work_hashes.values())
    due = {who: divmod(reward_sat * work, work_sum) for who, work in work_hashes.items()}
    amounts = {who: whole for who, (whole, _) in due.items()}
    for who in sorted(due, key=lambda who: (-due[who][1], who))[
        : reward_sat - sum(amounts.values())
    ]:
        amounts[who] += 1
    return amounts


@given(REWARDS, st.one_of(CREDITS, SMALL_CREDITS, VAST_CREDITS, NEAR_CREDITS))
def test_amounts_are_those_of_the_plain_rule(reward_sat: int, work_hashes: dict[int, int]) -> None:
    assert split(reward_sat, work_hashes) == plain_split(reward_sat, work_hashes)


def test_fractions_that_differ_in_their_last_bit_are_told_apart() -> None:
    # Of two satoshi each is due 2/3, but for one part in 10**60 or so.
    works = {7: 2**200, 8: 2**200 - 1, 9: 2**200 + 1}
    assert split(2, works) == plain_split(2, works) == {7: 1, 8: 0, 9: 1}


def test_no_reward_is_split_into_nothing() -> None:
    assert split(0, {1: 5, 2: 6}) == {1: 0, 2: 0}


@pytest.mark.parametrize("work_hashes", [{}, {1: 0, 2: 0}])
def test_a_reward_that_nobody_worked_for_is_refused(work_hashes: dict[int, int]) -> None:
    with pytest.raises(NothingToSplitByError):
        split(5, work_hashes)


@pytest.mark.parametrize(
    ("reward_sat", "work_hashes"), [(-1, {1: 1}), (1, {1: 2, 2: -1}), (2**63, {1: 1})]
)
def test_numbers_that_are_no_reward_or_work_are_refused(
    reward_sat: int, work_hashes: dict[int, int]
) -> None:
    with pytest.raises(ValueError, match="never negative"):
        split(reward_sat, work_hashes)
