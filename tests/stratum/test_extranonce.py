"""Extranonce1 values: one owner each, remembered for those who reconnect, never lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.settings import FRONT_NUMBER_MAX
from kench.stratum import extranonce
from kench.stratum.contract import Resumable
from kench.stratum.extranonce import (
    RESUMABLE_S,
    Extranonces,
    ExtranoncesExhaustedError,
    front_of,
)

NUMBERS = st.integers(0, FRONT_NUMBER_MAX)


def at(number: int, counter: int) -> Extranonces:
    """A front's values from some moment of its life on."""
    values = Extranonces(number)
    values._next = counter
    return values


@pytest.mark.rule("A2.8")
@given(
    numbers=st.sets(NUMBERS, min_size=2, max_size=5),
    counter=st.integers(0, (1 << extranonce.COUNTER_BITS) - 1),
)
def test_no_two_fronts_ever_give_the_same_value(numbers: set[int], counter: int) -> None:
    given_by = {number: at(number, counter) for number in numbers}
    taken = [(number, values.take()) for number, values in given_by.items() for _ in range(9)]
    assert len({value for _, value in taken}) == len(taken)
    assert all(len(value) == 4 and front_of(value) == number for number, value in taken)


@pytest.mark.rule("A2.8")
@given(number=NUMBERS)
def test_what_changes_comes_first(number: int) -> None:
    values = Extranonces(number)
    taken = [values.take() for _ in range(256)]
    assert len({value[0] for value in taken}) == 256
    assert len({value[2:] for value in taken}) == 1


@pytest.mark.parametrize("number", [-1, FRONT_NUMBER_MAX + 1])
def test_a_number_that_does_not_fit_is_refused_by_the_settings_name(number: int) -> None:
    with pytest.raises(ExtranoncesExhaustedError, match="KENCH_INSTANCE"):
        Extranonces(number)


def test_when_every_value_is_in_use_it_says_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extranonce, "_COUNTER_RANGE", 4)
    values = Extranonces(0)
    taken = [values.take() for _ in range(4)]
    assert len(set(taken)) == 4
    with pytest.raises(ExtranoncesExhaustedError, match="KENCH_CONNECTIONS_MAX"):
        values.take()
    values.give_back(taken[2])
    assert values.take() == taken[2]


def test_remembered_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extranonce, "RESUMABLE_MAX", 3)
    values = Extranonces(0)
    for number in range(5):
        values.release(str(number), Resumable(values.take(), 1.0), 0.0)
    unused = values.take()
    assert [values.resume(str(one), unused, 1.0) is None for one in range(5)] == [
        True,
        True,
        False,
        False,
        False,
    ]


STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "end", "resume"]), st.integers(0, 7), st.floats(0, 200)),
    max_size=60,
)


@given(steps=STEPS)
def test_no_two_live_owners_whatever_ends_and_resumes(steps: list[tuple[str, int, float]]) -> None:
    values = Extranonces(1)
    live: dict[str, bytes] = {}
    ended: list[str] = []
    now = 0.0
    for number, (step, choice, later) in enumerate(steps):
        now += later
        if step == "end" and live:
            name = sorted(live)[choice % len(live)]
            values.release(name, Resumable(live.pop(name), 1.0), now)
            ended.append(name)
        elif step != "end":
            value = values.take()
            if step == "resume" and ended:
                left = values.resume(ended[choice % len(ended)], value, now)
                value = left.extranonce1 if left else value
            live[f"s{number}"] = value
        assert len(set(live.values())) == len(live)
        assert values._taken == set(live.values())


def test_a_value_is_remembered_no_longer_than_said() -> None:
    values = Extranonces(0)
    for wait, given_again in ((RESUMABLE_S, True), (RESUMABLE_S + 0.1, False)):
        old = values.take()
        values.release("s", Resumable(old, 8.0), 0.0)
        left = values.resume("s", values.take(), wait)
        assert (left == Resumable(old, 8.0)) is given_again
