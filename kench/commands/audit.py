"""`kench audit`: the trial balance of each asset, whose money it is, and whether it all holds."""

import itertools
import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich import box
from rich.table import Table

from kench.commands.audit_metrics import audit_registry, write_metrics
from kench.commands.showing import table_text
from kench.payouts.accounts import Asset
from kench.payouts.audit.balance import Account, ClientMoney, client_money, read_accounts
from kench.payouts.audit.invariants import INVARIANTS, differences, recompute
from kench.payouts.bank.statements import compare_statements
from kench.payouts.proceeds.trace import NoLineError, lot_of, trace
from kench.pool.clock import SystemClock
from kench.pool.database import Role, one_transaction
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging

ROLE = "audit"
DIFFERENCES_SHOWN = 200
UNITS = {Asset.BTC: "satoshi", Asset.KGS: "tyiyn"}
COLUMNS = ("debits_posted", "credits_posted", "debits_pending", "credits_pending", "balance")
PARTS = {
    "had": "had for participants",
    "in_sale": "sold or charged, not settled yet",
    "owed": "owed to participants",
    "operator": "the operator's fees",
    "written_off": "written off",
}


def main() -> int:
    """Print the audit of the settings' pool; 1 where something differs, else 0."""
    parser = command(
        ROLE,
        "Print the trial balance of each asset, participants' money apart from the operator's,\n"
        "and whatever in the books does not agree, from coinbase to bank (exit status 1 then).\n"
        "`kench verify` goes further and hashes every share again.",
        example="kench audit --data ./data --json",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--all", action="store_true", dest="each", help="one line for each participant"
    )
    parser.add_argument(
        "--trace",
        nargs=2,
        metavar=("PARTICIPANT", "LOT"),
        help="print instead, as JSON, what a participant's money for lot TXID:VOUT follows from",
    )
    parser.add_argument(
        "--metrics",
        type=Path,
        metavar="FILE",
        help="also tell Prometheus' node exporter: a file ending in .prom in its folder",
    )
    arguments = parser.parse_args()
    clock = SystemClock()
    began_s = clock.monotonic()
    settings = settings_of(arguments)
    start_logging(ROLE)
    with (
        database_url(settings) as url,
        one_transaction(url, Role.READ, application_name="kench audit") as connection,
    ):
        # One snapshot for all questions: the pool may be at work.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        if arguments.trace:
            print(_trace(connection, *arguments.trace))
            return 0
        accounts = read_accounts(connection, each=arguments.each)
        found = list(
            itertools.islice(
                itertools.chain(differences(connection), recompute(connection, None)),
                DIFFERENCES_SHOWN,
            )
        )
        found += [
            f"{one.statement.said} of the bank: {one.words} ({one.outcome}, docs/payouts.md)"
            for one in compare_statements(connection)
            if not one.outcome.is_quiet
        ]
    money = client_money(accounts)
    found += [
        f"{one.asset}: {one.difference} {UNITS[one.asset]} more are had than owed"
        for one in money
        if one.difference
    ]
    if arguments.metrics is not None:
        took_s = clock.monotonic() - began_s
        told = audit_registry(len(found), len(INVARIANTS), clock.now_us() / 1_000_000, took_s)
        write_metrics(arguments.metrics, told)
    if arguments.json:
        print(json.dumps(_object(accounts, money, found), ensure_ascii=False))
    else:
        _show(accounts, money, found)
    return 1 if found else 0


def _trace(connection: sa.Connection, participant: str, reference: str) -> str:
    if not participant.isdecimal():
        raise NoLineError(f"{participant!r} is no participant's number: see `kench participant`")
    traced = trace(connection, int(participant), lot_of(connection, reference))
    return json.dumps(traced.as_object(), ensure_ascii=False, indent=2)


def _object(accounts: list[Account], money: list[ClientMoney], found: list[str]) -> dict[str, Any]:
    return {
        "accounts": [
            {
                "account": account.name,
                "asset": account.kind.asset,
                "holder": account.kind.holder,
                "normal_side": account.kind.normal_side,
                **{column: getattr(account, column) for column in COLUMNS},
            }
            for account in accounts
        ],
        "client_money": [
            {
                "asset": one.asset,
                "unit": UNITS[one.asset],
                **{part: dict(getattr(one, part)) for part in PARTS},
                "difference": one.difference,
            }
            for one in money
        ],
        "checked": list(INVARIANTS),
        "differences": found,
    }


def _show(accounts: list[Account], money: list[ClientMoney], found: list[str]) -> None:
    for one in money:
        asset = one.asset
        print(f"Trial balance, {asset} in {UNITS[asset]}")
        print(table_text(_trial(account for account in accounts if account.kind.asset is asset)))
        print(f"Money of participants and of the operator, {asset} in {UNITS[asset]}")
        print(table_text(_money(one)))
    for words in found:
        print(words)
    said = f"{len(found)} differences" if found else "nothing differs"
    print(f"kench audit: {said} ({len(INVARIANTS)} rules checked, each settlement computed again)")


def _trial(accounts: Any) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_footer=True)
    rows = list(accounts)
    table.add_column("account", footer="sum")
    table.add_column("of")
    for column in COLUMNS:
        whole = sum(getattr(row, column) for row in rows)
        footer = "" if column == "balance" else str(whole)
        table.add_column(column.replace("_", " "), justify="right", footer=footer)
    for row in rows:
        values = (str(getattr(row, column)) for column in COLUMNS)
        table.add_row(row.name, row.kind.holder, *values)
    return table


def _money(one: ClientMoney) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_header=False, show_footer=False)
    table.add_column()
    table.add_column(justify="right")
    for part, words in PARTS.items():
        lines = getattr(one, part)
        table.add_row(words, str(sum(amount for _, amount in lines)), style="bold")
        for name, amount in lines:
            table.add_row(f"  {name}", str(amount))
    table.add_row("difference", str(one.difference), style="bold")
    return table


if __name__ == "__main__":
    run_root(ROLE, main)
