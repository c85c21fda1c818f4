"""`kench status`: what the pool holds and does, while it runs and when it is stopped."""

import json
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kench.commands.standby_view import standby_words
from kench.commands.status_view import read_status
from kench.commands.stream_view import stream_words
from kench.pool.database import Role, one_transaction
from kench.pool.income_progress import late_words
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.sale.figures import sale_lines

ROLE = "status"
BLOCKS_SHOWN = 10
MANIFEST_LATE_S = 60
"""A block is signed within a second or two; one that waits longer needs people."""
WIDTH = 160


def main() -> None:
    """Print the status of the settings' pool, as JSON or for people."""
    parser = command(
        ROLE,
        "Show what the pool holds and does, also while it is stopped.",
        example="kench status --data ./data --json",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    with (
        database_url(settings) as url,
        one_transaction(url, Role.READ, application_name="kench status") as connection,
    ):
        status = read_status(connection, settings.journal_directory)
    if arguments.json:
        print(json.dumps(status, ensure_ascii=False))
    else:
        # What is read by no terminal (a file, a pager) has no width of its own.
        width = None if sys.stdout.isatty() else WIDTH
        _show(status, Console(markup=False, highlight=False, width=width))


def _show(status: dict[str, Any], console: Console) -> None:
    shares, blocks, ledger = status["shares"], status["block_counts"], status["ledger"]
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    state = "yes" if status["serving"] else f"no: {status['why']}"
    tip = f"{status['height']} {status['tip']}" if status["tip"] else "none yet"
    refused = ", ".join(f"{count} {reason}" for reason, count in shares["refused"].items())
    counts = ", ".join(f"{number} {name}" for name, number in blocks.items())
    balance = "balanced" if ledger["balanced"] else "NOT BALANCED, run `kench verify`"
    for name, value in (
        ("serving", state),
        ("network", status["network"] or "none yet"),
        ("tip", tip),
        ("shares", f"{shares['accepted']} accepted; refused: {refused or 'none'}"),
        ("blocks", counts),
        ("ledger", f"{balance}, {ledger['transfers']} transfers"),
        ("journal", f"{status['journal']['records']} shares on disk"),
        *_standby(status),
        *sale_lines(status["sale"]),
        *_troubles(status),
        *((f"door {door['name']}", _door(door)) for door in status["doors"]),
        *((f"node {node['name']}", _node(node)) for node in status["nodes"]),
    ):
        facts.add_row(name, value if isinstance(value, Text) else str(value))
    console.print(facts)
    console.print(_participants(status["participants"]))
    if status["blocks"]:
        console.print(_blocks(status["blocks"]))


def _standby(status: dict[str, Any]) -> list[tuple[str, Text]]:
    """Return how standby and stream fare, in amber where they do not; nothing without them."""
    rows = []
    for name, words_for in (("standby", standby_words), ("stream", stream_words)):
        if status[name] is not None:
            words, well = words_for(status[name])
            rows.append((name, Text(words, "" if well else "yellow")))
    return rows


def _troubles(status: dict[str, Any]) -> list[tuple[str, str]]:
    """What people must look at in the books; nothing, most of the time."""
    alarms, waiting = status["alarms"], status["settlement"]
    troubles = []
    if status["custody"]["why"]:
        troubles.append(("custody alarm", status["custody"]["why"]))
    if status["custody"]["orders_fault"]:
        troubles.append(("orders alarm", status["custody"]["orders_fault"]))
    if waiting["waits_for"]:
        troubles.append(
            ("settlement", f"WAITS since {waiting['since']} for {waiting['waits_for']}")
        )
    if late := manifests_words(status["manifests"]):
        troubles.append(("manifests", late))
    if late := late_words(status["income"]):
        troubles.append(("income", late))
    if alarms:
        named = ", ".join(f"{block['height']} {block['hash']}" for block in alarms[:BLOCKS_SHOWN])
        troubles.append(
            ("alarm", f"{len(alarms)} posted blocks left the chain, rewards to correct: {named}")
        )
    return troubles


def manifests_words(manifests: dict[str, int]) -> str | None:
    """Return what is to be said of blocks that should have been signed by now."""
    waiting, waiting_s = manifests["waiting"], manifests["waiting_s"]
    if waiting_s < MANIFEST_LATE_S:
        return None
    return (
        f"LATE: {waiting} blocks not signed, the first for {waiting_s} s: "
        "see `manifest not made` in the log of `kench settle`"
    )


def _node(node: dict[str, Any]) -> str:
    return "usable" if node["usable"] else f"not usable: {node['why']}"


def _door(door: dict[str, Any]) -> str:
    state = f"{door['connections']} connections"
    if not door["open"]:
        state = f"shut: {door['why']}" if door["why"] else "shut"
    return "  ".join(filter(None, (door["url"], state, door["purpose"])))


def _participants(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    numbers = ("workers", "accepted", "refused", "work_hashes", "pending_sat", "mature_sat")
    for heading in ("participant", "name", "state"):
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(
            str(row["id"]), row["name"], row["state"], *(str(row[name]) for name in numbers)
        )
    return table


def _blocks(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("height", justify="right")
    table.add_column("block", overflow="fold")
    table.add_column("state")
    table.add_column("reward sat", justify="right")
    table.add_column("finder")
    for row in rows[:BLOCKS_SHOWN]:
        table.add_row(
            str(row["height"]), row["hash"], row["state"], str(row["reward_sat"]), row["finder"]
        )
    if len(rows) > BLOCKS_SHOWN:
        table.caption = "older ones: `kench status --json`"
    return table


if __name__ == "__main__":
    run_root(ROLE, main)
