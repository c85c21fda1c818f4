"""The state of the whole from the states of its fronts: what /status shows and health follows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kench.pool.door_status import merge_doors

# A front that has not told its state for so long does not serve; it tells it each second.
FRESH_S = 5.0
# A front whose shares wait longer for the disk cannot acknowledge.
ACKNOWLEDGE_MS_MAX = 10_000.0
# Numbers of the fronts that are added up.
_SUMS = (
    "connections", "sessions", "journal_records", "accepted", "found_blocks", "logins_refused",
    "turns_waiting",
)  # fmt: skip


class FrontStates:
    """The newest state of each front, and when it was told."""

    def __init__(self, numbers: range) -> None:
        self._states: dict[int, tuple[dict[str, Any], float] | None] = dict.fromkeys(numbers)

    def add(self, numbers: Iterable[int]) -> None:
        """Have fronts of another generation too."""
        self._states.update(dict.fromkeys(numbers))

    def remove(self, numbers: Iterable[int]) -> None:
        """A generation is gone for good."""
        for number in numbers:
            self._states.pop(number, None)

    def of(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Return the states that some fronts told last."""
        return [kept[0] for number in numbers if (kept := self._states.get(number)) is not None]

    def take(self, number: int, state: dict[str, Any], now: float) -> None:
        """Keep what a front says of itself."""
        if number in self._states:
            self._states[number] = (state, now)

    def forget(self, number: int) -> None:
        """A front's line is lost: it does not serve as far as we know, and keeps its counts."""
        kept = self._states.get(number)
        if kept is not None:
            self._states[number] = (absent(number, "its process is gone", kept[0]), kept[1])

    def current(self, now: float) -> dict[int, dict[str, Any]]:
        """Return every front's state by number; of those not heard of, that they do not serve."""
        found = {}
        for number, kept in self._states.items():
            if kept is None:
                found[number] = absent(number, "its process is being started")
            elif now - kept[1] > FRESH_S:
                found[number] = absent(number, "its process does not answer", kept[0])
            else:
                state, told = kept
                found[number] = state | {"feed_lag_s": round(now - told, 3)}
        return found


def absent(number: int, why: str, last: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the state of a front that does not run; its counts are those it told last."""
    state: dict[str, Any] = dict(last or {"instance": number, "journal_records": 0})
    doors = [door | {"open": False, "connections": 0} for door in state.get("doors") or ()]
    return state | {
        "pid": None, "serving": False, "why": why, "connections": 0, "sessions": 0,
        "durable_lag_ms": 0.0, "hashrate": {}, "doors": doors,
    }  # fmt: skip


def acknowledges(front: Mapping[str, Any]) -> bool:
    """Say whether a front takes miners and answers their shares."""
    return bool(front["serving"]) and front["durable_lag_ms"] < ACKNOWLEDGE_MS_MAX


def whole(facts: Mapping[str, Any], fronts: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """Return the state of the whole: `facts` of the job maker, and all fronts together."""
    states = list(fronts.values())
    hashrate: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    guard: dict[str, Any] = {}
    for state in states:
        hashrate.update(state.get("hashrate") or {})
        refused.update(state.get("refused") or {})
        guard = added(guard, state.get("guard") or {})
    certificates = [state["certificate"] for state in states if state.get("certificate")]
    serving = any(state["serving"] for state in states)
    reasons = [str(state["why"]) for state in states if state.get("why")]
    faults = [state["register_fault"] for state in states if state.get("register_fault")]
    return {
        **facts,
        "serving": serving,
        "ready": any(acknowledges(state) for state in states),
        "why": None if serving else next(iter(reasons), "no front runs"),
        **{name: sum(state.get(name) or 0 for state in states) for name in _SUMS},
        "durable_lag_ms": max((state["durable_lag_ms"] for state in states), default=0.0),
        "refused": dict(refused),
        "hashrate": dict(hashrate),
        "doors": merge_doors(state.get("doors") or () for state in states),
        "certificate": next(iter(certificates), None),
        "guard": guard,
        "register_fault": next(iter(faults), None),
        "fronts": {str(number): state for number, state in fronts.items()},
    }


def added(some: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Add two states of one shape: counts add up, what is true of one is true, words stay."""
    result = dict(some)
    for name, value in more.items():
        known = result.get(name)
        if known is None:
            result[name] = value
        elif isinstance(value, Mapping):
            result[name] = added(known, value)
        elif isinstance(value, bool):
            result[name] = known or value
        elif isinstance(value, (int, float)):
            result[name] = known + value
    return result
