"""Claims about difficulty, target and work: exact, and never harder than promised."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.bitcoin import MAX_TARGET
from kench.pool.work import (
    DIFFICULTY_1_TARGET,
    EASIEST_DIFFICULTY,
    difficulty_of_target,
    settle_difficulty,
    target_of,
    wire_difficulty,
    work_of,
    work_of_target,
)

difficulties = st.floats(EASIEST_DIFFICULTY, 1e16, allow_nan=False)
targets = st.integers(1, MAX_TARGET)


def test_difficulty_one_has_the_field_s_target() -> None:
    assert target_of(1.0) == DIFFICULTY_1_TARGET
    assert f"{target_of(1.0):064x}" == "00000000ffff" + "0" * 52
    assert work_of(1.0) == 2**256 // (DIFFICULTY_1_TARGET + 1)


def test_work_of_the_easiest_target_is_one_hash() -> None:
    assert work_of_target(MAX_TARGET) == 1
    assert target_of(1e-12) == MAX_TARGET


@given(difficulties)
def test_a_target_is_the_exact_quotient_of_the_double(difficulty: float) -> None:
    exact = Fraction(DIFFICULTY_1_TARGET) / Fraction(difficulty)
    assert target_of(difficulty) == min(exact.__floor__(), MAX_TARGET)


@given(difficulties, difficulties)
def test_more_difficulty_is_never_less_work(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert work_of(low) <= work_of(high)
    assert target_of(low) >= target_of(high)


@given(targets)
def test_the_difficulty_told_for_a_target_is_never_harder_than_it(target: int) -> None:
    difficulty = difficulty_of_target(target)
    assert target_of(difficulty) >= target
    assert difficulty == pytest.approx(DIFFICULTY_1_TARGET / target)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("inf"), float("nan")])
def test_what_is_no_difficulty_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        target_of(bad)


@given(st.floats(1e-12, 1e18), st.floats(1e-10, 1e6), st.floats(1e-9, 1e15))
def test_a_settled_difficulty_is_integral_from_one_up_and_within_bounds(
    wished: float, lowest: float, highest: float
) -> None:
    settled = settle_difficulty(wished, lowest, highest)
    assert 0 < settled <= highest
    assert settled < 1 or settled.is_integer()
    if lowest <= highest:
        assert settled >= min(lowest, highest) or settled >= lowest - 1


@given(difficulties)
def test_the_wire_number_is_the_same_double_without_exponent(difficulty: float) -> None:
    text = wire_difficulty(difficulty)
    assert "e" not in text.lower()
    assert json.loads(text) == difficulty
    assert isinstance(json.loads(text), int) == difficulty.is_integer()
