"""What is costly to make is made by few at once, and not too often for one login."""

import threading

import pytest
from starlette.exceptions import HTTPException

from kench.cabinet.web.making import BURST, EACH_S, LOGINS_MAX, WAITING_MAX, Making


def ask(making: Making, login_id: int, now_s: float = 0.0) -> int:
    """The status that it ends with."""
    try:
        with making.turn(login_id, now_s):
            return 200
    except HTTPException as refused:
        return refused.status_code if int((refused.headers or {})["Retry-After"]) > 0 else 500


def test_a_login_that_asks_too_often_waits_and_others_do_not() -> None:
    making = Making()
    assert [ask(making, 1) for _ in range(BURST + 1)] == [200] * BURST + [429]
    assert ask(making, 2) == 200
    assert ask(making, 1, EACH_S - 0.1) == 429
    assert ask(making, 1, EACH_S) == 200
    assert ask(making, 1, EACH_S) == 429


def test_only_so_many_are_made_at_once() -> None:
    making = Making(at_once=1, wait_s=0.0)
    with making.turn(1, 0.0):
        assert ask(making, 2) == 503
    assert ask(making, 2) == 200


def test_only_so_many_wait_and_each_of_them_has_its_turn() -> None:
    making = Making(at_once=1, wait_s=30.0)
    done = []
    with making.turn(1, 0.0):
        waiting = [
            threading.Thread(target=lambda number=number: done.append(ask(making, number)))
            for number in range(2, 2 + WAITING_MAX)
        ]
        for thread in waiting:
            thread.start()
        # All places are taken once a further one is sent away.
        while ask(making, 99, now_s=len(done) + 1e9) != 503:
            pass
    for thread in waiting:
        thread.join(30)
    assert done == [200] * WAITING_MAX


def test_what_breaks_while_it_is_made_gives_its_turn_back() -> None:
    making = Making(at_once=1, wait_s=0.0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), making.turn(1, 0.0):
            raise ZeroDivisionError
    assert ask(making, 1) == 200


def test_counts_are_kept_of_so_many_logins_alone() -> None:
    making = Making()
    for _ in range(BURST):
        ask(making, 0)
    for login_id in range(1, LOGINS_MAX + 1):
        ask(making, login_id)
    assert ask(making, 0) == 200
