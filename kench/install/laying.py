"""Putting files in their places: each whole or not at all, and nothing that was edited is lost."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from kench.install.plan import SHARE, InstallError, Item

RECORD = SHARE / "installed.json"
NEW, KEPT = ".kench-new", ".kept"


class Outcome(StrEnum):
    """What becomes of one file."""

    NEW = "new"
    SAME = "same"
    UPDATED = "updated"
    REPLACED = "replaced"
    """It had been edited; that is kept beside it."""
    BESIDE = "beside"
    """It was edited and stays; ours is put beside it."""


class Step(NamedTuple):
    """One file, and what becomes of it."""

    item: Item
    outcome: Outcome


def steps(items: Iterable[Item], root: Path) -> list[Step]:
    """Compare what is there with what is to be; changes nothing."""
    written = _read_record(root)
    return [Step(item, _outcome(item, root, written)) for item in items]


def lay(planned: Iterable[Step], root: Path) -> Iterator[Step]:
    """Write what differs, and yield each step when it is done; raises InstallError.

    Cut off, it goes on where it was when it is done again.
    """
    record = _read_record(root)
    for step in planned:
        item, outcome = step
        place = root / item.target
        try:
            if outcome is Outcome.REPLACED:
                _write(place.with_name(place.name + KEPT), place.read_bytes(), item.mode)
            if outcome is Outcome.BESIDE:
                _write(place.with_name(place.name + NEW), item.content, item.mode)
            elif outcome is not Outcome.SAME:
                _write(place, item.content, item.mode)
            if outcome is not Outcome.BESIDE:
                record[str(item.target)] = _digest(item.content)
        except OSError as error:
            raise InstallError(
                f"cannot write {error.filename} ({error.strerror}): run it as root, or name "
                "another --root"
            ) from error
        yield step
    content = json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"
    _write(root / RECORD, content, 0o644)


def _outcome(item: Item, root: Path, written: dict[str, str]) -> Outcome:
    place = root / item.target
    try:
        found = place.read_bytes()
    except FileNotFoundError:
        return Outcome.NEW
    except OSError as error:
        raise InstallError(f"cannot read {place}: {error.strerror}") from error
    if found == item.content:
        return Outcome.SAME
    if written.get(str(item.target)) == _digest(found):
        return Outcome.UPDATED
    return Outcome.BESIDE if item.is_edited else Outcome.REPLACED


def _write(place: Path, content: bytes, mode: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    partial.replace(place)


def _read_record(root: Path) -> dict[str, str]:
    try:
        record: dict[str, str] = json.loads((root / RECORD).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InstallError(f"{root / RECORD} cannot be read ({error}): move it away") from error
    return record


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
