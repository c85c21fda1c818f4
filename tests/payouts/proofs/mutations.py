"""Every place in a JSON value, and other values for what stands there."""

import copy
from collections.abc import Iterator
from typing import Any

Place = tuple[int | str, ...]


def places(value: object, place: Place = ()) -> Iterator[Place]:
    """Every place in a value, branches and leaves, but the value itself."""
    if place:
        yield place
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, (*place, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from places(part, (*place, number))


def at(value: Any, place: Place) -> Any:
    """What stands at a place."""
    for step in place:
        value = value[step]
    return value


def replaced(value: Any, place: Place, other: object) -> Any:
    """The same with something else at one place."""
    whole = copy.deepcopy(value)
    at(whole, place[:-1])[place[-1]] = other
    return whole


def changes(value: object) -> list[object]:
    """Other values of the same kind, and of others."""
    changed: list[object] = [None, 1, {}]
    match value:
        case int():
            changed = [not value, value + 1, value - 1, -value - 1, float(value), str(value), None]
        case str() if value.isdecimal() and len(value) < 30:
            changed = [str(int(value) + 1), f"0{value}", f"-{value}", int(value)]
        case str():
            first = ("1" if value[:1] == "0" else "0") + value[1:]
            changed = [first, value[:-1], f"{value}0", value.upper() + "A", "", None]
        case list():
            turned = value[::-1] if value[::-1] != value else []
            changed = [value[1:], turned, [*value, *value[:1]], {}]
        case dict():
            changed = [{**value, "more": 1}, dict(list(value.items())[1:]), [], None]
    return [one for one in changed if one != value or type(one) is not type(value)]
