"""Allowances come back with time, are one's own, and cannot be used up for somebody else."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.login.guard import (
    ADDRESS,
    BROWSER,
    KEPT_US,
    Asked,
    admits,
    forget_allowances,
    give_back,
    network_of,
)
from kench.pool.database import Role, open_engine

NOW_US = 1_700_000_000_000_000


@pytest.fixture
def db(module_database: str) -> Iterator[sa.Connection]:
    """With the rights of the cabinet; what a test counts is nobody's after it."""
    engine = open_engine(module_database, Role.CABINET, application_name="test")
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()
    engine.dispose()


def browser(number: int) -> bytes:
    return number.to_bytes(32, "big")


def ask(db: sa.Connection, number: int, address: str = "192.0.2.1", *, known: bool = False,
        now_s: float = 0.0, asked: Asked = Asked.WRONG) -> bool:  # fmt: skip
    now_us = NOW_US + round(now_s * 1_000_000)
    return admits(db, asked, browser=browser(number), address=address, known=known, now_us=now_us)


@pytest.mark.parametrize("asked", Asked)
def test_a_browser_has_its_allowance_and_gets_it_back(db: sa.Connection, asked: Asked) -> None:
    allowance = BROWSER[asked]
    came = [ask(db, 1, asked=asked) for _ in range(allowance.at_once + 3)]
    assert came == [True] * allowance.at_once + [False] * 3
    assert not ask(db, 1, now_s=allowance.each_s * 0.9, asked=asked)
    assert ask(db, 1, now_s=allowance.each_s, asked=asked)
    assert not ask(db, 1, now_s=allowance.each_s, asked=asked)
    assert not ask(db, 1, now_s=-1000, asked=asked), "a clock that is behind gives nothing"


def test_new_browsers_of_one_address_share_its_allowance(db: sa.Connection) -> None:
    came = [ask(db, number) for number in range(100)]
    assert sum(came) == ADDRESS[Asked.WRONG].at_once
    assert ask(db, 1000, "192.0.2.2")


def test_a_neighbour_cannot_lock_out_who_has_entered_before(db: sa.Connection) -> None:
    for number in range(100):
        ask(db, number)
    assert not ask(db, 1000)
    assert ask(db, 1001, known=True)


def test_what_was_not_wrong_is_given_back(db: sa.Connection) -> None:
    for _ in range(100):
        assert ask(db, 1)
        give_back(db, Asked.WRONG, browser=browser(1), address="192.0.2.1", known=False)


def test_who_is_refused_for_an_address_keeps_what_the_browser_has(db: sa.Connection) -> None:
    for number in range(ADDRESS[Asked.WRONG].at_once):
        assert ask(db, number)
    assert not any(ask(db, 1000) for _ in range(50))
    assert ask(db, 1000, "192.0.2.2")


def test_counts_that_ran_down_are_forgotten_a_bounded_number_at_a_time(db: sa.Connection) -> None:
    for number in range(10):
        ask(db, number, known=True)
    assert forget_allowances(db, NOW_US + KEPT_US) == 0
    assert [forget_allowances(db, NOW_US + KEPT_US + 1, 6) for _ in range(3)] == [6, 4, 0]
    for allowance in (*BROWSER.values(), *ADDRESS.values()):
        assert allowance.at_once * allowance.each_s * 1_000_000 <= KEPT_US


def test_an_ipv6_line_is_its_64() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::9")
    assert network_of("2001:db8:1:3::4") != network_of("2001:db8:1:2::9")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("testclient") == "unknown"
