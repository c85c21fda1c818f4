"""Logins judged against the register in memory (D2)."""

from dataclasses import replace

import pytest

from kench.pool.register import State
from kench.pool.register_feed import RegisteredParticipant, Snapshot
from kench.pool.tokens import token_digest
from kench.stratum import admission
from kench.stratum.admission import Admissions
from kench.stratum.contract import Admission, NewWorker
from tests.support.sessions import TOKEN, Register, participant


def test_known_worker_new_worker_and_nobody_are_told_apart() -> None:
    admissions = Admissions(Register())
    assert admissions.admit("1.w1", (TOKEN,)) == Admission(1, 11, 101)
    assert admissions.admit("1.unheard", (TOKEN,)) == NewWorker(1, "unheard", 101)
    for user in ("2.w1", "9.w1", "w1", None, 7):
        assert admissions.admit(user, (TOKEN,)) is None


@pytest.mark.parametrize("tokens", [(), ("",), (TOKEN[:-1],), ("x", "y")])
def test_without_the_token_nobody_is_admitted(tokens: tuple[str, ...]) -> None:
    assert Admissions(Register()).admit("1.w1", tokens) is None


def test_one_of_a_passwords_parts_may_be_the_token() -> None:
    assert Admissions(Register()).admit("1.w1", ("x", TOKEN)) == Admission(1, 11, 101)


def test_a_change_of_the_register_counts_at_the_next_login() -> None:
    register = Register()
    admissions = Admissions(register)
    register.replace(participant(1, active=False))
    assert admissions.admit("1.w1", (TOKEN,)) is None


def with_tokens(**named: str) -> RegisteredParticipant:
    """Participant 1 with these tokens, by their ids."""
    tokens = tuple((int(name[1:]), token_digest(token)) for name, token in named.items())
    return replace(participant(1), tokens=tokens)


def test_any_token_in_force_admits_and_each_is_told_by_its_number() -> None:
    register = Register()
    register.replace(with_tokens(t7="aa", t8="bb"))
    admissions = Admissions(register)
    assert admissions.admit("1.w1", ("aa",)) == Admission(1, 11, 7)
    assert admissions.admit("1.w1", ("AA ",)) == Admission(1, 11, 7)
    assert admissions.admit("1.w1", ("x", "bb")) == Admission(1, 11, 8)
    assert admissions.admit("1.w1", ("cc",)) is None
    register.replace(with_tokens(t8="bb"))
    assert admissions.admit("1.w1", ("aa",)) is None


def test_what_ended_is_told_once_and_only_of_tokens_that_somebody_came_by() -> None:
    register = Register()
    register.replace(with_tokens(t7="aa", t8="bb", t9="cc"))
    admissions = Admissions(register)
    for token in ("aa", "bb"):
        admissions.admit("1.w1", (token,))
    assert admissions.take_ended([1, 3, 99]) == set()
    register.replace(with_tokens(t8="bb", t10="dd"))
    assert admissions.take_ended([1]) == {7}
    assert admissions.take_ended([1]) == set()
    register.replace(replace(with_tokens(t8="bb"), state=State.SUSPENDED))
    assert admissions.take_ended([1]) == {8}
    assert admissions.take_ended([1]) == set()


def test_a_participant_that_vanished_takes_its_tokens_along() -> None:
    register = Register()
    admissions = Admissions(register)
    admissions.admit("1.w1", (TOKEN,))
    register.snapshot = Snapshot({})
    assert admissions.take_ended([1]) == {101}


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
