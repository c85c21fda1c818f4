"""Waiting for what a thread, a process or the loop will do: by a deadline, not a count of looks."""

import asyncio
import time
from collections.abc import Callable

READY_S = 60.0
"""Programs start slowly on a busy machine; what holds sooner is seen sooner."""

LOOK_S = 0.02
TURN_S = 0.001

NEVER = "it did not happen in time"


def await_that(
    holds: Callable[[], object], seconds: float = READY_S, words: object = NEVER
) -> None:
    """Wait until it holds; fail when that takes too long, with words or what a callable says."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, words() if callable(words) else words
        time.sleep(LOOK_S)


async def until(holds: Callable[[], object], seconds: float = READY_S) -> None:
    """Wait on a loop until it holds; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, NEVER
        await asyncio.sleep(TURN_S)
