"""`kench officer`: who may sign orders of the authorised body."""

import argparse
import json

from rich import box
from rich.table import Table

from kench.commands.showing import action_of, table_text
from kench.pool.clock import SystemClock
from kench.pool.database import Role, one_transaction
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
                said = f"officer {arguments.pin} may sign orders from now on"
            case "end":
                officer = end_officer(connection, arguments.pin, now_us)
                said = (
                    f"officer {officer.pin} ({officer.name}) signs no more; "
                    "what was accepted stays in force"
                )
            case _:
                said = _shown(list_officers(connection), as_json=arguments.json)
    # Only now is it committed, and may be told.
    print(said)


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "Officers of the authorised body: an order takes the signatures of two of them.",
        example='kench officer add 21507198500123 "Асан Усенов" "head of department"',
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = action_of(
        actions,
        "add",
        "let a person sign orders from now on",
        'kench officer add 21507198500123 "Асан Усенов" "head of department"',
    )
    add.add_argument("pin", metavar="PIN", help="personal number, as in the person's certificate")
    add.add_argument("name", metavar="NAME", help="who it is, 1 to 200 characters")
    add.add_argument("duty", metavar="DUTY", help="by what office, 1 to 200 characters")
    end = action_of(
        actions, "end", "end a person's service: no more signatures", "kench officer end 2150..."
    )
    end.add_argument("pin", metavar="PIN", help="personal number")
    show = action_of(actions, "list", "show all who ever served", "kench officer list --json")
    show.add_argument("--json", action="store_true", help="print a JSON array")
    return parser


def _shown(officers: list[Officer], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            [
                one._asdict()
                | {
                    "added_at": one.added_at.isoformat(),
                    "ended_at": one.ended_at and one.ended_at.isoformat(),
                }
                for one in officers
            ],
            ensure_ascii=False,
        )
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("PIN", "name", "duty", "since (UTC)", "until"):
        table.add_column(heading)
    for one in officers:
        ended = one.ended_at.strftime("%Y-%m-%d %H:%M") if one.ended_at else "in service"
        added = one.added_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(one.pin, one.name, one.duty, added, ended)
    return table_text(table)


if __name__ == "__main__":
    run_root(ROLE, main)
