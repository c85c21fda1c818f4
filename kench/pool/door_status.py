"""What several fronts say of the same doors, as one list."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COUNTED = ("connections", "accepted")


def merge_doors(fronts: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return each door once, in the order they are first named: counts are sums.

    A door is open if it is at any front; why it is not is what one of the others says.
    """
    doors: dict[str, dict[str, Any]] = {}
    for front in fronts:
        for said in front:
            door = doors.setdefault(
                said["name"], dict(said) | dict.fromkeys(COUNTED, 0) | {"refused": {}, "why": None}
            )
            for name in COUNTED:
                door[name] += said[name]
            door["refused"] = dict(Counter(door["refused"]) + Counter(said["refused"]))
            door["open"] = door["open"] or said["open"]
            door["why"] = door["why"] or said["why"]
    return list(doors.values())
