"""The demo participant of a data folder: made once, its token kept for the CPU miner."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.pool.register import State, add_participant, participants
from kench.pool.running import keep_private
from kench.pool.tokens import is_in_force

DEMO_NAME = "demo"
DEMO_WORKER = "cpu"
TOKEN_FILE = "demo.json"  # noqa: S105 - the name of a file


class DemoLogin(NamedTuple):
    """What the CPU miner logs in with."""

    user: str
    password: str


def demo_login(engine: sa.Engine, run_directory: Path) -> DemoLogin:
    """Return the login of the demo participant; make the participant if there is none.

    The register keeps only a hash of the token, so a lost file (or a register that does not know
    the one in it, or removed it) means a new participant; what the old one earned stays his.
    """
    path = run_directory / TOKEN_FILE
    with engine.begin() as connection:
        kept = _read(path)
        if kept is not None and _is_registered(connection, kept):
            return _login(kept)
        participant, token = add_participant(connection, DEMO_NAME)
        fresh = {"id": participant, "token": token}
        # Within the transaction: a token that could not be kept leaves no participant behind.
        keep_private(path, fresh)
    return _login(fresh)


def _login(record: dict[str, Any]) -> DemoLogin:
    return DemoLogin(f"{record['id']}.{DEMO_WORKER}", record["token"])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return record if {"id", "token"} <= record.keys() else None


def _is_registered(connection: sa.Connection, record: dict[str, Any]) -> bool:
    found = connection.scalar(
        sa.select(participants.c.id).where(
            participants.c.id == record["id"],
            participants.c.state != State.REMOVED,
        )
    )
    return found is not None and is_in_force(connection, record["id"], record["token"])
