"""Extranonce1 values: one owner each, remembered for those who reconnect, never lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.stratum import extranonce
from kench.stratum.contract import Resumable
from kench.stratum.extranonce import RESUMABLE_S, Extranonces, ExtranoncesExhaustedError


@pytest.mark.rule("A2.8")
def test_instances_never_share_a_value() -> None:
    one, other = Extranonces(0), Extranonces(255)
    assert not {one.take() for _ in range(1000)} & {other.take() for _ in range(1000)}


@pytest.mark.parametrize("instance", [-1, 256])
def test_an_instance_that_does_not_fit_is_refused_by_the_settings_name(instance: int) -> None:
    with pytest.raises(ExtranoncesExhaustedError, match="KENCH_INSTANCE"):
        Extranonces(instance)


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
