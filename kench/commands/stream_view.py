"""The journal's stream in the status object, and the words for it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kench.pool.journal.remote import LATE_NAME

SECONDS_SHOWN = 2.0
"""A stream that is less behind has all, as people see it."""


def read_stream(data: Path, fronts: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return how the journals of `fronts` fare in the stream, and what was set aside here.

    None where nothing is published and nothing was set aside. `fronts` are the states of those that
    run now.
    """
    published = [one for front in fronts if (one := front.get("stream"))]
    aside = sorted({int(path.parent.name) for path in (data / LATE_NAME).glob("[0-9]*/*.frames")})
    if not published and not aside:
        return None
    return {
        "fronts": len(published),
        "away": any(one["away"] for one in published),
        "why": next((one["why"] for one in published if one["away"]), None),
        "together": all(one["together"] for one in published),
        "behind_records": sum(one["behind"] for one in published),
        "behind_s": max((one["behind_s"] or 0.0 for one in published), default=0.0),
        "acknowledged_without": sum(one["acknowledged_without"] for one in published),
        "set_aside": aside,
    }


def stream_words(stream: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what is said of it, and whether all is well."""
    words, well = [], True
    if stream["fronts"]:
        if stream["away"]:
            words.append(f"AWAY: {stream['why']}; {stream['behind_records']} shares are here alone")
            well = False
        else:
            how = "acknowledges" if stream["together"] else "CATCHING UP"
            words.append(f"{how}, {stream['behind_records']} shares behind")
            well = bool(stream["together"])
        if stream["behind_s"] >= SECONDS_SHOWN:
            words.append(f"{stream['behind_s']:.0f} s")
        if stream["acknowledged_without"]:
            words.append(f"{stream['acknowledged_without']} were acknowledged without it")
    if stream["set_aside"]:
        numbers = ", ".join(map(str, stream["set_aside"]))
        words.append(f"SHARES SET ASIDE of lost journals: {numbers}")
        well = False
    return ", ".join(words), well
