"""The standby in the status object, and the words for it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kench.commands.figures import bytes_text
from kench.pool.shipping.followers import read_followers
from kench.pool.shipping.generation import heard_generation

SECONDS_SHOWN = 1.0
"""A standby that is less behind is with us, as people see it."""


def read_standby(
    connection: sa.Connection, data: Path, fronts: Iterable[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return how journals and database fare on the standby; None where there is none.

    `fronts` are the states of those that run now.
    """
    shipped = [one for front in fronts if (one := front.get("standby"))]
    database, replaced_by = read_followers(connection), heard_generation(data)
    if not shipped and database is None and replaced_by is None:
        return None
    behind_s = [one.get("behind_s") for one in shipped]
    known_s = [one for one in behind_s if one is not None]
    return {
        "mode": shipped[0]["mode"] if shipped else None,
        "generation": shipped[0].get("generation") if shipped else None,
        "replaced_by": replaced_by,
        "away": any(one["away"] for one in shipped),
        "why": next((one["why"] for one in shipped if one["away"]), None),
        "together": bool(shipped) and all(one["together"] for one in shipped),
        "behind_records": sum(one["behind"] for one in shipped),
        "behind_s": max(known_s) if known_s and len(known_s) == len(behind_s) else None,
        "silent_s": max((one["silent_s"] for one in shipped), default=None),
        "acknowledged_without": sum(one["acknowledged_without"] for one in shipped),
        "database": database,
    }


def standby_words(standby: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what is said of it, and whether all is well."""
    if standby["replaced_by"] is not None:
        return f"THIS MACHINE WAS REPLACED: generation {standby['replaced_by']} leads", False
    words, well = [], True
    if standby["mode"] is not None:
        text, well = _journal_words(standby)
        words.append(text)
    if (database := standby["database"]) is not None:
        if database["connected"]:
            words.append(f"database {bytes_text(database['behind_bytes'] or 0)} behind")
        else:
            words.append("DATABASE NOT CONNECTED")
            well = False
        if database["left"] and database["connected"]:
            words.append(
                f"{database['left']} slots of former standbys keep "
                f"{bytes_text(database['left_bytes'])} of WAL: drop them"
            )
    return ", ".join(words), well


def _journal_words(standby: Mapping[str, Any]) -> tuple[str, bool]:
    generation = f"generation {standby['generation']}"
    alone = standby["acknowledged_without"]
    if standby["away"]:
        since = f" for {standby['silent_s']:.0f} s" if standby["silent_s"] is not None else ""
        here = f"{standby['behind_records']} shares are here alone"
        if standby["behind_s"] is None:
            here = "what it has is not known since the start"
        words = f"AWAY{since}: {standby['why']}; {here}"
        return f"{words}, {alone} acknowledged so; {generation}", False
    behind_s = standby["behind_s"]
    if standby["mode"] == "sync":
        how, well = ("synchronous", True) if standby["together"] else ("CATCHING UP", False)
    else:
        how, well = "asynchronous", True
    seconds = "" if behind_s is None or behind_s < SECONDS_SHOWN else f" ({behind_s:.0f} s)"
    words = f"{how}, {standby['behind_records']} shares{seconds} behind"
    if alone:
        words += f", {alone} were acknowledged without it"
    return f"{words}, {generation}", well
