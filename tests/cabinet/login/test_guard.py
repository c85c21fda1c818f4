"""Allowances come back with time, are one's own, and cannot be used up for somebody else."""

import pytest

from kench.cabinet.login.guard import ADDRESS, BROWSER, Asked, Guard, network_of


def browser(number: int) -> bytes:
    return number.to_bytes(32, "big")


def ask(guard: Guard, number: int, address: str = "192.0.2.1", *, known: bool = False,
        now_s: float = 0.0, asked: Asked = Asked.WRONG) -> bool:  # fmt: skip
    return guard.admits(asked, browser=browser(number), address=address, known=known, now_s=now_s)


@pytest.mark.parametrize("asked", Asked)
def test_a_browser_has_its_allowance_and_gets_it_back(asked: Asked) -> None:
    guard, allowance = Guard(), BROWSER[asked]
    came = [ask(guard, 1, asked=asked) for _ in range(allowance.at_once + 3)]
    assert came == [True] * allowance.at_once + [False] * 3
    assert not ask(guard, 1, now_s=allowance.each_s * 0.9, asked=asked)
    assert ask(guard, 1, now_s=allowance.each_s, asked=asked)
    assert not ask(guard, 1, now_s=allowance.each_s, asked=asked)


def test_new_browsers_of_one_address_share_its_allowance() -> None:
    guard = Guard()
    came = [ask(guard, number) for number in range(100)]
    assert sum(came) == ADDRESS[Asked.WRONG].at_once
    assert ask(guard, 1000, "192.0.2.2")


def test_a_neighbour_cannot_lock_out_who_has_entered_before() -> None:
    guard = Guard()
    for number in range(100):
        ask(guard, number)
    assert not ask(guard, 1000)
    assert ask(guard, 1001, known=True)


def test_what_was_not_wrong_is_given_back() -> None:
    guard = Guard()
    for _ in range(100):
        assert ask(guard, 1)
        guard.give_back(Asked.WRONG, browser=browser(1), address="192.0.2.1", known=False)


def test_what_is_kept_is_bounded() -> None:
    guard = Guard(subjects_max=10)
    for number in range(100):
        ask(guard, number, f"192.0.2.{number}")
    assert len(guard._used) == 10


def test_an_ipv6_line_is_its_64() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::9")
    assert network_of("2001:db8:1:3::4") != network_of("2001:db8:1:2::9")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("testclient") == "unknown"
