"""Logins judged against the register in memory (D2)."""

import pytest

from kench.stratum import admission
from kench.stratum.admission import Admissions
from kench.stratum.contract import Admission, NewWorker
from tests.support.sessions import TOKEN, Register, participant


def test_known_worker_new_worker_and_nobody_are_told_apart() -> None:
    admissions = Admissions(Register())
    assert admissions.admit("1.w1", (TOKEN,)) == Admission(1, 11)
    assert admissions.admit("1.unheard", (TOKEN,)) == NewWorker(1, "unheard")
    for user in ("2.w1", "9.w1", "w1", None, 7):
        assert admissions.admit(user, (TOKEN,)) is None


@pytest.mark.parametrize("tokens", [(), ("",), (TOKEN[:-1],), ("x", "y")])
def test_without_the_token_nobody_is_admitted(tokens: tuple[str, ...]) -> None:
    assert Admissions(Register()).admit("1.w1", tokens) is None


def test_one_of_a_passwords_parts_may_be_the_token() -> None:
    assert Admissions(Register()).admit("1.w1", ("x", TOKEN)) == Admission(1, 11)


def test_a_change_of_the_register_counts_at_the_next_login() -> None:
    register = Register()
    admissions = Admissions(register)
    register.replace(participant(1, active=False))
    assert admissions.admit("1.w1", (TOKEN,)) is None
    assert not admissions.is_active(1)
    assert not admissions.is_active(99)
    assert admissions.is_active(3)


@pytest.mark.rule("A3.3")
def test_failures_are_counted_by_name_until_it_is_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    admissions = Admissions(Register())
    assert [admissions.count_failed(b"1.w1") for _ in range(3)] == [1, 2, 3]
    assert admissions.count_failed(b"1.w2") == 1
    admissions.admit("1.w1", (TOKEN,))
    assert admissions.count_failed(b"1.w1") == 1
    assert admissions.count_failed(b"1.w2") == 2
    monkeypatch.setattr(admission, "FAILED_MAX", 10)
    for number in range(100):
        admissions.count_failed(b"%d" % number)
    assert len(admissions._failed) <= 11
