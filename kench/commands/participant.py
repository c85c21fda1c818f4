"""`kench participant`: enter participants into the register, list and change them; their tokens.

What it commits reaches the running front ends by itself, within two seconds.
"""

import argparse
import json
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa
from rich import box
from rich.table import Table

from kench.commands.showing import action_of, table_text
from kench.pool.database import one_transaction
from kench.pool.errors import KenchError
from kench.pool.postgres import database_url
from kench.pool.register import (
    ID_MAX,
    Change,
    State,
    add_participant,
    list_participants,
    remove_participant,
    resume_participant,
    suspend_participant,
)
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.running import read_running
from kench.pool.settings import Settings
from kench.pool.tokens import TokenRefusal, make_token, revoke_token, tokens_of

ROLE = "participant"


class ParticipantError(KenchError):
    """What was asked for cannot be done to this participant."""


class Step(NamedTuple):
    """A change of state: how the register makes it, what is said then, what it is for."""

    change: Callable[[sa.Connection, int], Change]
    state: str
    summary: str


STEPS = {
    "suspend": Step(suspend_participant, "suspended", "keep a participant from mining for a while"),
    "resume": Step(resume_participant, "active", "let a suspended participant mine again"),
    "remove": Step(remove_participant, "removed", "end a participant's mining for good"),
}


def main() -> None:
    """Run one action on the register of the settings' database."""
    arguments = _parser().parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    adding = arguments.action == "add"
    with (
        database_url(settings, make=adding) as url,
        one_transaction(url, application_name="kench participant") as connection,
    ):
        if adding:
            lines = _add(connection, arguments.name, settings, as_json=arguments.json)
        elif arguments.action == "list":
            lines = _list(connection, as_json=arguments.json)
        elif arguments.action == "token":
            lines = add_token(connection, arguments.id, arguments.label)
        elif arguments.action == "tokens":
            lines = list_tokens(connection, arguments.id, as_json=arguments.json)
        elif arguments.action == "revoke":
            lines = revoke(connection, arguments.id, arguments.token)
        else:
            lines = change_state(connection, arguments.action, arguments.id)
    # Only now is it committed, and may be told.
    print(lines)


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE, "The register of those who may mine.", example='kench participant add "OcOO Kench"'
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    add = action_of(
        actions, "add", "enter a participant and print its id and token", "kench participant add X"
    )
    add.add_argument("name", metavar="NAME", help="who it is, 1 to 200 characters")
    add.add_argument("--json", action="store_true", help='print {"id": ..., "token": ...}')
    show = action_of(
        actions, "list", "show every participant ever entered", "kench participant list --json"
    )
    show.add_argument("--json", action="store_true", help="print a JSON array")
    token = action_of(
        actions, "token", "make one more token for a participant, and print it",
        'kench participant token 3 "Naryn site"',
    )  # fmt: skip
    tokens = action_of(
        actions, "tokens", "show a participant's tokens, never what they are",
        "kench participant tokens 3",
    )  # fmt: skip
    revoke_ = action_of(
        actions, "revoke", "end one token: who came in by it is cut off within two seconds",
        "kench participant revoke 3 17",
    )  # fmt: skip
    for asked in (token, tokens, revoke_):
        asked.add_argument("id", metavar="ID", help="number of the participant")
    token.add_argument("label", metavar="LABEL", help="what it is for, 1 to 60 characters")
    tokens.add_argument("--json", action="store_true", help="print a JSON array")
    revoke_.add_argument("token", metavar="TOKEN", help="number that `tokens` shows")
    for name, step in STEPS.items():
        changing = action_of(actions, name, step.summary, f"kench participant {name} 3")
        changing.add_argument("id", metavar="ID", help="number of the participant")
    return parser


def _add(connection: sa.Connection, name: str, settings: Settings, *, as_json: bool) -> str:
    id_, token = add_participant(connection, name)
    if as_json:
        return json.dumps({"id": id_, "token": token})
    running = read_running(settings.run_directory)
    at = running.stratum_url if running else settings.all_doors[0].url()
    return "\n".join(
        (
            f"participant {id_} is entered. Its machines connect with:",
            f"  URL       {at}",
            f"  user      {id_}.rig1   (after the dot any name, one for each machine)",
            f"  password  {token}",
            "Note the password now: only a hash of it is kept.",
        )
    )


def _list(connection: sa.Connection, *, as_json: bool) -> str:
    found = list_participants(connection)
    if as_json:
        return json.dumps(
            [entry._asdict() | {"created_at": entry.created_at.isoformat()} for entry in found],
            ensure_ascii=False,
        )
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("id", "name", "state", "workers", "entered (UTC)"):
        table.add_column(heading, justify="right" if heading in {"id", "workers"} else "left")
    for entry in found:
        table.add_row(
            str(entry.id), entry.name, entry.state, str(entry.workers),
            entry.created_at.strftime("%Y-%m-%d %H:%M"),
        )  # fmt: skip
    return table_text(table)


def add_token(connection: sa.Connection, given: str, label: str) -> str:
    """Make a token for the participant `given`; return what to say. Raises ParticipantError."""
    made = make_token(connection, _entered(connection, given), label.strip())
    match made:
        case TokenRefusal.LABEL:
            raise ParticipantError("LABEL has 1 to 60 characters that can be seen")
        case TokenRefusal.LIMIT | TokenRefusal.TOO_MANY_TODAY:
            raise ParticipantError(
                f"participant {given} has as many tokens as it may have, or had too many made "
                f"within a day: see `kench participant tokens {given}`"
            )
    return f"{made}\nNote it now: only a hash of it is kept."


def list_tokens(connection: sa.Connection, given: str, *, as_json: bool) -> str:
    """Return the tokens of the participant `given` as text. Raises ParticipantError."""
    found = tokens_of(connection, _number(given))
    if as_json:
        return json.dumps([one._asdict() for one in found], default=str, ensure_ascii=False)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("token", "label", "made (UTC)", "used last", "revoked"):
        table.add_column(heading, justify="right" if heading == "token" else "left")
    for one in found:
        moments = (one.made_at, one.used_at, one.revoked_at)
        table.add_row(
            str(one.id), one.label, *(f"{at:%Y-%m-%d %H:%M}" if at else "" for at in moments)
        )
    return table_text(table)


def revoke(connection: sa.Connection, given: str, token: str) -> str:
    """End a token of the participant `given`; return what to say. Raises ParticipantError."""
    if not revoke_token(connection, _number(given), _number(token)):
        raise ParticipantError(
            f"participant {given} has no token {token} in force: see "
            f"`kench participant tokens {given}`"
        )
    return f"token {token} of participant {given} is revoked"


def _entered(connection: sa.Connection, given: str) -> int:
    """Return the number of a participant that may come in, or may again."""
    states = {entry.id: entry.state for entry in list_participants(connection)}
    if states.get(_number(given), State.REMOVED) is State.REMOVED:
        raise ParticipantError(
            f"there is no participant {given}, or it was removed: see `kench participant list`"
        )
    return int(given)


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 0 < int(given[:11]) <= ID_MAX):
        raise ParticipantError(f"ID is a number that `kench participant list` shows, not {given!r}")
    return int(given)


def change_state(connection: sa.Connection, action: str, given: str) -> str:
    """Suspend, resume or remove the participant `given`; return what to say.

    Raises ParticipantError where the register has no such participant, or it was removed before,
    or officers have decided that it does not mine.
    """
    step = STEPS[action]
    match step.change(connection, _number(given)):
        case Change.DONE:
            return f"participant {given} is {step.state}"
        case Change.ALREADY:
            return f"participant {given} was {step.state} already"
        case Change.FINAL:
            raise ParticipantError(
                f"participant {given} was removed, which is final: enter a new one with "
                "`kench participant add NAME`"
            )
        case Change.BARRED:
            raise ParticipantError(
                f"the authorised body suspended participant {given}: an officer ends that by a "
                f"signed decision, at /desk/participants/{given}/suspension"
            )
        case Change.UNKNOWN:
            raise ParticipantError(
                f"there is no participant {given}: `kench participant list` shows all"
            )


if __name__ == "__main__":
    run_root(ROLE, main)
