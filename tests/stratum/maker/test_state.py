"""The state of the whole: sums of the fronts, and who is trusted to serve."""

from typing import Any

from kench.stratum.maker.state import ACKNOWLEDGE_MS_MAX, FRESH_S, FrontStates, added, whole

DOOR = {
    "name": "standard", "connections": 3, "accepted": 7, "refused": {"tls": 1}, "open": True,
    "why": None, "url": "u",
}  # fmt: skip


def front(**changed: Any) -> dict[str, Any]:
    return {
        "instance": 0, "pid": 9, "serving": True, "why": None, "connections": 3, "sessions": 2,
        "journal_records": 10, "accepted": 4, "found_blocks": 1, "logins_refused": 5,
        "durable_lag_ms": 2.0, "hashrate": {"1": 10.0}, "refused": {"stale": 2},
        "register_fault": None, "guard": {"faults": {"idle": 1}, "banned": 1},
        "doors": [DOOR],
        **changed,
    }  # fmt: skip


def test_what_can_be_counted_is_added_up() -> None:
    other = front(hashrate={"1": 5.0, "2": 1.0}, durable_lag_ms=9.0, found_blocks=0)
    state = whole({"height": 7}, {0: front(), 1: other})
    assert (state["height"], state["connections"], state["journal_records"]) == (7, 6, 20)
    assert (state["hashrate"], state["refused"]) == ({"1": 15.0, "2": 1.0}, {"stale": 4})
    assert (state["found_blocks"], state["durable_lag_ms"]) == (1, 9.0)
    assert state["guard"] == {"faults": {"idle": 2}, "banned": 2}
    assert state["doors"] == [DOOR | {"connections": 6, "accepted": 14, "refused": {"tls": 2}}]
    assert state["fronts"].keys() == {"0", "1"}


def test_one_front_that_serves_is_enough_and_otherwise_it_is_said_why() -> None:
    shut = front(serving=False, why="no job yet")
    assert whole({}, {0: shut, 1: front()})["why"] is None
    assert whole({}, {0: shut, 1: front()})["ready"]
    closed = whole({}, {0: shut, 1: shut})
    assert (closed["serving"], closed["ready"], closed["why"]) == (False, False, "no job yet")
    assert whole({}, {})["why"] == "no front runs"


def test_a_front_whose_disk_hangs_does_not_make_the_pool_ready() -> None:
    state = whole({}, {0: front(durable_lag_ms=ACKNOWLEDGE_MS_MAX)})
    assert state["serving"]
    assert not state["ready"]


def test_a_front_that_is_silent_or_gone_does_not_serve_but_keeps_its_counts() -> None:
    states = FrontStates(range(2))
    assert [one["serving"] for one in states.current(0.0).values()] == [False, False]
    states.take(0, front(), 10.0)
    states.take(9, front(), 10.0)
    assert states.current(10.0 + FRESH_S)[0]["serving"]
    silent = states.current(10.1 + FRESH_S)[0]
    assert (silent["serving"], silent["why"]) == (False, "its process does not answer")
    assert silent["journal_records"] == 10
    states.take(0, front(), 20.0)
    states.forget(0)
    assert states.current(20.0)[0]["why"] == "its process is gone"
    assert states.current(20.0).keys() == {0, 1}


def test_adding_nothing_changes_nothing() -> None:
    assert added(front(), {}) == front()
    assert added({}, front()) == front()
