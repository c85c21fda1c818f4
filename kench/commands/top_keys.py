"""Keys of a terminal, one at a time and without Enter; a terminal is left as it was found."""

import contextlib
import os
import select
import termios
import threading
import tty
from collections.abc import Iterator
from typing import TextIO

# What one read may bring: a key, or an escape sequence that stands for one.
READ_BYTES = 64


class Keys:
    """Waits for keys of a stream; one that is no terminal never has any."""

    def __init__(self, stream: TextIO) -> None:
        self._descriptor = stream.fileno() if stream.isatty() else None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Have keys come one by one inside the block."""
        if self._descriptor is None:
            yield
            return
        before = termios.tcgetattr(self._descriptor)
        try:
            tty.setcbreak(self._descriptor)
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)

    def wait(self, seconds: float) -> str:
        """Return what was typed, waiting so long; escape sequences count for Escape."""
        if self._descriptor is None:
            threading.Event().wait(seconds)
            return ""
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return ""
        typed = os.read(self._descriptor, READ_BYTES).decode("utf-8", "ignore")
        return "\x1b" if typed.startswith("\x1b") else typed or "q"
