"""User names and passwords taken apart: total functions over anything JSON can hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.stratum.login import (
    WORKER_NAME_MAX,
    Login,
    parse_difficulty,
    parse_login,
    parse_password,
    printable,
)

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(user=ANYTHING)
def test_a_login_is_a_registered_kind_of_name_or_nothing(user: object) -> None:
    login = parse_login(user)
    if login is not None:
        assert login.participant > 0
        assert 1 <= len(login.worker) <= WORKER_NAME_MAX
        assert login.worker.isprintable()


@given(participant=st.integers(1, 2**31 - 1), worker=st.text(min_size=1, max_size=64))
def test_every_participant_id_that_a_register_gives_can_log_in(
    participant: int, worker: str
) -> None:
    expected = Login(participant, worker) if worker.isprintable() else None
    assert parse_login(f"{participant}.{worker}") == expected


@given(password=ANYTHING)
def test_no_password_is_an_error_and_its_numbers_are_positive_and_finite(password: object) -> None:
    parsed = parse_password(password)
    assert len(parsed.tokens) <= 4
    for number in (parsed.start_difficulty, parsed.minimum_difficulty):
        assert number is None or (number > 0 and math.isfinite(number))


@given(value=ANYTHING)
def test_a_difficulty_is_positive_and_finite_or_nothing(value: object) -> None:
    number = parse_difficulty(value)
    assert number is None or (number > 0 and math.isfinite(number))


@pytest.mark.parametrize("token", ["a" * 32, "with blank", "пароль", "a=b", "x", "d=x"])
def test_a_token_is_found_wherever_it_stands(token: str) -> None:
    for password in (token, f"d=5,{token}", f" {token} , md=2"):
        assert (token in parse_password(password).tokens) is (token != "d=x")


@given(text=st.text(), limit=st.integers(0, 50))
def test_printable_text_is_short_and_has_no_controls(text: str, limit: int) -> None:
    kept = printable(text, limit)
    assert len(kept) <= limit
    assert kept.isprintable()
