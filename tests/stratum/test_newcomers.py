"""Who gives its place: the oldest that has had its time, unless it waits for us."""

from types import SimpleNamespace
from typing import Any

from kench.stratum.newcomers import PASSED_OVER_MAX, PLACE_KEPT_S, Newcomers


class Waiting(SimpleNamespace):
    """What `Newcomers` sees of a connection."""

    __hash__ = object.__hash__


def one(since: float, *, kept_waiting: bool = False, resting: bool = False) -> Any:
    return Waiting(since=since, is_kept_waiting=kept_waiting, resting=resting)


def of(*connections: Any) -> Newcomers:
    newcomers = Newcomers()
    for connection in connections:
        newcomers.add(connection)
    return newcomers


def test_each_gives_its_place_once_the_oldest_first() -> None:
    first, second = one(0.0), one(1.0)
    newcomers = of(first, second)
    assert newcomers.take_oldest(PLACE_KEPT_S - 0.1) is None
    assert newcomers.take_oldest(PLACE_KEPT_S) is first
    assert newcomers.take_oldest(PLACE_KEPT_S) is None
    assert newcomers.take_oldest(PLACE_KEPT_S + 1) is second
    assert newcomers.take_oldest(1e9) is None


def test_who_logged_in_or_ended_is_not_asked() -> None:
    first, second = one(0.0), one(0.0)
    newcomers = of(first, second)
    newcomers.discard(first)
    newcomers.discard(first)
    assert newcomers.take_oldest(1e9) is second
    assert len(newcomers) == 0


def test_who_waits_for_us_is_passed_over_unless_it_rests_for_what_it_did() -> None:
    login, silent = one(0.0, kept_waiting=True), one(1.0)
    assert of(login, silent).take_oldest(1e9) is silent
    slowed = one(0.0, kept_waiting=True, resting=True)
    assert of(slowed, silent).take_oldest(1e9) is slowed


def test_only_so_many_are_looked_at() -> None:
    logins = [one(0.0, kept_waiting=True) for _ in range(PASSED_OVER_MAX)]
    newcomers = of(*logins, one(0.0))
    assert newcomers.take_oldest(1e9) is None
    assert newcomers.take_oldest(1e9) is not None
    assert len(newcomers) == PASSED_OVER_MAX
