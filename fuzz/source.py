"""Choices made from the bytes of an input: the same bytes, the same choices, on every machine."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Source:
    """Hands out an input byte by byte; past its end every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        """Whether bytes are left."""
        return self._at < len(self._data)

    def byte(self) -> int:
        """Return the next byte."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def below(self, count: int) -> int:
        """Return a number below `count`, which is 256 at most."""
        return self.byte() % count

    def once_in(self, count: int) -> bool:
        """Say yes to one byte of `count`; no past the end."""
        return self.byte() % count == count - 1

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.byte() % len(choices)]

    def number(self, size: int) -> int:
        """Return an unsigned number of `size` bytes."""
        return int.from_bytes(self.raw(size).ljust(size, b"\0"), "little")

    def raw(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.raw(len(self._data))

    def text(self, size_max: int) -> str:
        """Return text of at most so many code points, odd ones and lone surrogates too."""
        size = self.below(size_max + 1)
        if self.once_in(8):
            points = [self.number(3) % 0x11_0000 for _ in range(min(size, 8))]
            return "".join(map(chr, points))
        return self.raw(size).decode("latin-1")
