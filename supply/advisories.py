"""Looks the locked packages up in advisories that somebody brought, without any network.

Advisories are files of the OSV format, as https://osv.dev exports them for PyPI and npm (a ZIP of
one JSON file each), unpacked or not. A machine that builds a pool needs no way out for that: who
has one fetches the two archives, notes the day, and carries them over.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from kench.pool.errors import KenchError
from supply.locks import Package

ADVISORY_BYTES_MAX = 8 * 1024 * 1024


class AdvisoriesError(KenchError):
    """What should hold advisories does not; says which file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A package that an advisory names at its locked version."""

    package: Package
    advisory: str
    aliases: tuple[str, ...]
    summary: str

    def __str__(self) -> str:
        also = f" ({', '.join(self.aliases)})" if self.aliases else ""
        return f"{self.package.purl}: {self.advisory}{also}: {self.summary or 'see the advisory'}"


def read_advisories(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the advisories of a JSON file, an archive, or all of both in a folder.

    Raises AdvisoriesError.
    """
    if path.is_dir():
        for inner in sorted([*path.glob("*.json"), *path.glob("*.zip")]):
            yield from read_advisories(inner)
        return
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if entry.filename.endswith(".json"):
                        if entry.file_size > ADVISORY_BYTES_MAX:
                            raise AdvisoriesError(f"{path}: {entry.filename} is too large")
                        yield from _parse(archive.read(entry), path)
            return
        yield from _parse(path.read_bytes(), path)
    except (OSError, zipfile.BadZipFile) as error:
        raise AdvisoriesError(f"{path} cannot be read: {error}") from error


def findings_of(
    packages: Iterable[Package], advisories: Iterable[dict[str, Any]]
) -> tuple[list[Finding], int]:
    """Return what is found, and how many advisories there were to look through."""
    known: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        known.setdefault((package.ecosystem, package.name), []).append(package)
    found, count = [], 0
    for advisory in advisories:
        count += 1
        if advisory.get("withdrawn"):
            continue
        for affected in advisory.get("affected", ()):
            about = affected.get("package", {})
            name = str(about.get("name", "")).lower().replace("_", "-").replace(".", "-")
            exact = str(about.get("name", ""))
            key = (
                str(about.get("ecosystem", "")),
                name if about.get("ecosystem") == "PyPI" else exact,
            )
            found += [
                Finding(
                    package,
                    str(advisory.get("id", "?")),
                    tuple(map(str, advisory.get("aliases", ()))),
                    str(advisory.get("summary", "")),
                )
                for package in known.get(key, ())
                if is_affected(package.version, affected)
            ]
    return list(dict.fromkeys(found)), count


def is_affected(version: str, affected: dict[str, Any]) -> bool:
    """Say whether a version is one that an entry of `affected` means; in doubt, it is."""
    if version in affected.get("versions", ()):
        return True
    ranges = [one for one in affected.get("ranges", ()) if one.get("type") != "GIT"]
    try:
        ours = Version(version)
        return any(_is_within(ours, one.get("events", ())) for one in ranges)
    except InvalidVersion:
        return bool(ranges)


def _is_within(ours: Version, events: Iterable[dict[str, str]]) -> bool:
    inside = False
    # As OSV's own algorithm: events in order of version, the last that is not above ours counts.
    steps = [(Version(at), kind) for event in events for kind, at in event.items()
             if kind != "limit"]  # fmt: skip
    for at, kind in sorted(steps, key=lambda step: step[0]):
        if kind == "introduced" and ours >= at:
            inside = True
        elif (kind == "fixed" and ours >= at) or (kind == "last_affected" and ours > at):
            inside = False
    return inside


def _parse(content: bytes, path: Path) -> Iterator[dict[str, Any]]:
    try:
        told = json.loads(content)
    except ValueError as error:
        raise AdvisoriesError(f"{path} is no JSON") from error
    for advisory in told if isinstance(told, list) else [told]:
        if not isinstance(advisory, dict) or "id" not in advisory:
            raise AdvisoriesError(f"{path} is no advisory in OSV's format")
        yield advisory
