"""The window: which work a block pays. Today that is its round; other methods take its place."""

from collections.abc import Mapping
from typing import Protocol


class Window(Protocol):
    """Work in hashes by participant id, gathered in journal order and asked at each block."""

    def add(self, work_hashes: Mapping[int, int]) -> None:
        """Take credited work that came after all work taken before."""
        ...

    def credits(self) -> dict[int, int]:
        """Return the work that a block found now pays; empty where there is none."""
        ...

    def close(self) -> None:
        """Take note that a credited block was found, after its credits were asked for."""
        ...

    def state(self) -> dict[int, int]:
        """Return what must be kept so that a window made of it carries on."""
        ...


class RoundWindow:
    """Pays all work since the block before, up to and including the winning share."""

    def __init__(self, state: Mapping[int, int] | None = None) -> None:
        self._work_hashes = dict(state or {})

    def add(self, work_hashes: Mapping[int, int]) -> None:
        """Take credited work into the open round."""
        for participant_id, work in work_hashes.items():
            self._work_hashes[participant_id] = self._work_hashes.get(participant_id, 0) + work

    def credits(self) -> dict[int, int]:
        """Return the open round as it stands."""
        return dict(self._work_hashes)

    def close(self) -> None:
        """Begin a new round, without work."""
        self._work_hashes = {}

    def state(self) -> dict[int, int]:
        """Return the open round; it is all there is to keep."""
        return dict(self._work_hashes)
