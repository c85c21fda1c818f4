"""What a job maker leaves to its successor in the same process, when it replaces itself by exec.

The process id stays, and with it the fronts, the sockets that hold the ports and the lock of the
generation; this file says which they are.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

NAME = "handover.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Handover:
    """The generation that serves, for the one that is to come."""

    number: int
    """How many reloads there have been, with this one."""
    slot: int
    lock: int
    first: int
    count: int
    ports: dict[str, int]
    """The port of each door, by its name."""
    held: list[int]
    """Descriptors of the sockets that hold the ports."""
    fronts: dict[int, int]
    """Process ids, by the front's number."""
    values: list[list[Any]]
    """Who holds which extranonce1 (`Lending.dump`)."""


def leave(run_directory: Path, handover: Handover) -> None:
    """Write the file and keep the descriptors open: the very last thing before exec."""
    for descriptor in (handover.lock, *handover.held):
        os.set_inheritable(descriptor, True)
    content = {"version": VERSION, "pid": os.getpid(), **asdict(handover)}
    path = run_directory / NAME
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)


def take(run_directory: Path) -> Handover | None:
    """Return what this very process left before exec, once; None at any other start."""
    path = run_directory / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    except (FileNotFoundError, ValueError):
        return None
    if content.pop("pid", None) != os.getpid() or content.pop("version", None) != VERSION:
        return None
    found = Handover(**content)
    for descriptor in (found.lock, *found.held):
        os.set_inheritable(descriptor, False)
    return replace(found, fronts={int(number): pid for number, pid in found.fronts.items()})
