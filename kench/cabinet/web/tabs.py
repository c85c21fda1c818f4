"""What stands in a navigation: rooms, in groups."""

from typing import NamedTuple


class Tab(NamedTuple):
    """A room: the end of its address, and its name."""

    path: str
    title: str


class TabGroup(NamedTuple):
    """Rooms under one heading."""

    title: str
    tabs: list[Tab]
