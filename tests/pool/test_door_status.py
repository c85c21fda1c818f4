"""Doors of several fronts as one list."""

from typing import Any

from kench.pool.door_status import merge_doors


def door(name: str, **more: Any) -> dict[str, Any]:
    said = {"name": name, "purpose": "", "url": f"stratum+tcp://h/{name}", "open": True}
    return said | {"why": None, "connections": 1, "accepted": 10, "refused": {}} | more


def test_counts_are_sums_and_a_door_is_open_if_it_is_anywhere() -> None:
    merged = merge_doors(
        [
            [door("a", refused={"late": 2}), door("b", open=False, why="taken")],
            [door("a", connections=4, refused={"late": 1, "no_header": 1}), door("b")],
            [door("c", open=False)],
        ]
    )
    assert [one["name"] for one in merged] == ["a", "b", "c"]
    first, second, third = merged
    assert (first["connections"], first["accepted"]) == (5, 20)
    assert first["refused"] == {"late": 3, "no_header": 1}
    assert (second["open"], second["why"]) == (True, "taken")
    assert third["open"] is False


def test_nobody_has_no_doors_and_what_was_said_is_not_changed() -> None:
    assert merge_doors([]) == []
    said = [[door("a")], [door("a")]]
    merge_doors(said)
    assert said == [[door("a")], [door("a")]]
