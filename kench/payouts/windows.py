"""Windows that blocks pay by `pplns`, looked back for between transactions and never in one.

A window can be days of shares. What it holds follows from where it ends in each journal and from
how much work it is, for booked records and which of them are repeats never change. So it is kept by
those two: a transaction that asks for it by them may use it, whatever happened since it was read.
One whose positions or orders are others asks for another, and has to wait for that.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kench.payouts.look_back import LookBack, Read, RepeatsIn, Window
from kench.payouts.resumed import between


class _Wanted(NamedTuple):
    """What tells a window: (journal number, sequence that it ends before), and its work."""

    ends: tuple[tuple[int, int], ...]
    window_hashes: int


class Windows:
    """The windows of the blocks of one chunk: no more are kept than that has blocks."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._before: dict[_Wanted, Window | None] = {}
        self._windows: dict[_Wanted, Window | None] = {}
        self._repeats: Mapping[int, Sequence[int]] = {}

    @property
    def are_wanted(self) -> bool:
        """Whether one was asked for that is not known yet."""
        return None in self._windows.values()

    def forget(self) -> None:
        """Let go of all: their blocks are booked, or what was read is not certain."""
        self.begin({})
        self._before = {}

    def begin(self, repeats: Mapping[int, Sequence[int]]) -> None:
        """Begin a fold; `repeats` are those that the books do not have yet, by journal, in order.

        Windows that this fold does not ask for are let go.
        """
        self._before, self._windows, self._repeats = self._windows, {}, repeats

    def window(self, ends: Mapping[int, int], window_hashes: int) -> Window | None:
        """Return the window of so much work that ends before these sequences, None if not known."""
        wanted = _Wanted(tuple(sorted(ends.items())), window_hashes)
        self._windows[wanted] = known = self._before.get(wanted)
        return known

    def look_back(self, booked_repeats: RepeatsIn) -> None:
        """Read one of the windows that are wanted. Raises JournalError."""
        wanted = next(one for one, window in self._windows.items() if window is None)

        def repeats_in(number: int, start: int, end: int) -> set[int]:
            own = between(self._repeats.get(number, ()), start, end)
            return {*booked_repeats(number, start, end), *own}

        looking = LookBack(self._read, repeats_in)
        self._windows[wanted] = looking.window(dict(wanted.ends), wanted.window_hashes)
