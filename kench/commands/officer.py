"""`kench officer`: officers of the authorised body, and what each may do at the desk."""

import argparse
import json

import sqlalchemy as sa
from rich import box
from rich.table import Table

from kench.commands.showing import action_of, table_text
from kench.pool.clock import SystemClock
from kench.pool.database import Role, one_transaction
from kench.pool.orders.officer_roles import (
    OfficerRole,
    RoleLine,
    end_role,
    grant_role,
    names_of,
    role_lines,
    roles_of_pin,
)
from kench.pool.orders.officers import Officer, add_officer, end_officer, list_officers
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging

ROLE = "officer"


def main() -> None:
    """Run one action on the officers of the settings' database."""
    arguments = _parser().parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    role = Role.READ if arguments.action == "list" else None
    with (
        database_url(settings, make=arguments.action == "add") as url,
        one_transaction(url, role, application_name="kench officer") as connection,
    ):
        now_us = SystemClock().now_us()
        match arguments.action:
            case "add":
                add_officer(connection, arguments.pin, arguments.name, arguments.duty, now_us)
                for role in arguments.roles:
                    grant_role(connection, arguments.pin, role, now_us)
                said = _roles_told(connection, arguments.pin)
            case "role":
                for role in arguments.end:
                    end_role(connection, arguments.pin, role, now_us)
                for role in arguments.add:
                    grant_role(connection, arguments.pin, role, now_us)
                said = _roles_told(connection, arguments.pin)
            case "end":
                officer = end_officer(connection, arguments.pin, now_us)
                said = (
                    f"officer {officer.pin} ({officer.name}) signs no more and has no role; "
                    "what was accepted stays in force"
                )
            case _:
                found = list_officers(connection), role_lines(connection)
                said = _shown(*found, as_json=arguments.json)
    # Only now is it committed, and may be told.
    print(said)


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "Officers of the authorised body, and their roles at the desk; an order takes two of them.",
        example='kench officer add 21507198500123 "Асан Усенов" "head of department" --role head',
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = action_of(
        actions,
        "add",
        "let a person sign orders from now on",
        'kench officer add 21507198500123 "Асан Усенов" "head of department" --role head',
    )
    add.add_argument("pin", metavar="PIN", help="personal number, as in the person's certificate")
    add.add_argument("name", metavar="NAME", help="who it is, 1 to 200 characters")
    add.add_argument("duty", metavar="DUTY", help="by what office, 1 to 200 characters")
    _role_flag(add, "--role", "roles", "a role at the desk; several times for several")
    role = action_of(
        actions,
        "role",
        "give an officer roles at the desk, and end roles",
        "kench officer role 21507198500123 --add finance --end registrar",
    )
    role.add_argument("pin", metavar="PIN", help="personal number")
    _role_flag(role, "--add", "add", "a role to give; several times for several")
    _role_flag(role, "--end", "end", "a role to end; several times for several")
    end = action_of(
        actions, "end", "end a person's service: no more signatures", "kench officer end 2150..."
    )
    end.add_argument("pin", metavar="PIN", help="personal number")
    show = action_of(actions, "list", "show all who ever served", "kench officer list --json")
    show.add_argument("--json", action="store_true", help="print a JSON array")
    return parser


def _role_flag(parser: argparse.ArgumentParser, flag: str, name: str, words: str) -> None:
    parser.add_argument(
        flag, dest=name, action="append", default=[], type=OfficerRole, choices=list(OfficerRole),
        metavar="ROLE", help=f"{words}: {', '.join(OfficerRole)}",
    )  # fmt: skip


def _roles_told(connection: sa.Connection, pin: str) -> str:
    roles = roles_of_pin(connection, pin)
    if not roles:
        return (
            f"officer {pin} may sign orders, and has no role at the desk: "
            f"`kench officer role {pin} --add ROLE` gives one"
        )
    return f"officer {pin} may sign orders, and is at the desk: {names_of(roles)}"


def _shown(officers: list[Officer], lines: list[RoleLine], *, as_json: bool) -> str:
    roles = {one.id: [line for line in lines if line.officer_id == one.id] for one in officers}
    if as_json:
        return json.dumps(
            [
                one._asdict()
                | {
                    "added_at": one.added_at.isoformat(),
                    "ended_at": one.ended_at and one.ended_at.isoformat(),
                    "roles": [
                        {
                            "role": line.role,
                            "from": line.from_at.isoformat(),
                            "until": line.until_at and line.until_at.isoformat(),
                        }
                        for line in roles[one.id]
                    ],
                }
                for one in officers
            ],
            ensure_ascii=False,
        )
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("PIN", "name", "duty", "roles", "since (UTC)", "until"):
        table.add_column(heading)
    for one in officers:
        ended = one.ended_at.strftime("%Y-%m-%d %H:%M") if one.ended_at else "in service"
        added = one.added_at.strftime("%Y-%m-%d %H:%M")
        now = names_of(line.role for line in roles[one.id] if line.until_at is None)
        table.add_row(one.pin, one.name, one.duty, now, added, ended)
    return table_text(table)


if __name__ == "__main__":
    run_root(ROLE, main)
