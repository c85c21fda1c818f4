"""A process that stands still: SIGSTOP, as a frozen machine or a long pause looks from outside."""

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from tests.support.waiting import await_that


class Process(Protocol):
    """What is stopped."""

    pid: int

    def send_signal(self, sig: int) -> None: ...

    def poll(self) -> int | None: ...


@contextlib.contextmanager
def standing_still(process: Process) -> Iterator[None]:
    """Stop a process, and let it go on at the end."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def await_answer(engine: sa.Engine, question: str, answer: object) -> None:
    """Ask the database until it answers so."""
    found: object = None

    def is_so() -> bool:
        nonlocal found
        with engine.connect() as connection:
            found = connection.execute(sa.text(question)).scalar()
        return found == answer

    await_that(is_so, words=lambda: f"{question}: {found}, not {answer}")


def events_of(log: Path) -> list[dict[str, Any]]:
    """Return what a root has logged so far."""
    whole = log.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def await_event(log: Path, event: str) -> dict[str, Any]:
    """Wait until a root has logged this, and return the last such entry."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = [entry for entry in events_of(log) if entry["event"] == event]
        return bool(found)

    await_that(is_there, words=lambda: f"{event!r} is not in {log.read_text()}")
    return found[-1]
