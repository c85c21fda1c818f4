"""Logins proposed for declared machines tell them apart, and are ones that the ports take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.registration.equipment import Equipment, read_rows
from kench.cabinet.registration.instructions import advice_of, worker_word
from kench.pool.register import worker_name_allowed
from tests.support.applications import ROW


def equipment(*models: tuple[str, int]) -> tuple[Equipment, ...]:
    rows, gaps = read_rows([ROW | {"model": name, "quantity": str(many)} for name, many in models])
    assert not gaps
    return rows


def test_machines_of_one_model_are_numbered_through_all_sites() -> None:
    advice = advice_of(7, equipment(("S21 Pro", 40), ("M60S", 1), ("s21-pro", 2)), 12.0)
    assert [(one.first_login, one.last_login) for one in advice] == [
        ("7.s21-pro-001", "7.s21-pro-040"),
        ("7.m60s-001", "7.m60s-001"),
        ("7.s21-pro-041", "7.s21-pro-042"),
    ]


@pytest.mark.parametrize("model", ["Антминер", "机", "---", "é" * 300])
def test_every_model_gives_a_word(model: str) -> None:
    assert worker_word(model).isascii()
    assert worker_word(model)


@given(st.text(min_size=1))
def test_whatever_a_model_is_called_its_workers_may_log_in(model: str) -> None:
    assert worker_name_allowed(f"{worker_word(model)}-999999")
