"""`kench payout`: accounts of participants, batches for the bank, and the bank's answers."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from rich import box
from rich.table import Table

from kench.commands.showing import action_of, table_text
from kench.payouts.bank.account import BankAccount, bank_account
from kench.payouts.bank.directory import OPERATOR, accounts_in_force, set_account
from kench.payouts.bank.listing import PayoutEntry, list_payouts
from kench.payouts.bank.make import BatchKind, make_batch
from kench.payouts.bank.outbox import write_batches
from kench.payouts.bank.take import Finding, OurSide, take
from kench.payouts.bank.xml import BYTES_MAX
from kench.pool.clock import Clock, SystemClock
from kench.pool.database import Role, one_transaction
from kench.pool.errors import KenchError
from kench.pool.orders.register import load_orders
from kench.pool.orders.verifying import verifier_of
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.shipping.leading import require_lead

ROLE = "payout"
MICROSECONDS = 1_000_000
READING = frozenset({"list", "show"})


class PayoutError(KenchError):
    """What was asked for cannot be done with payouts."""


def main() -> int:
    """Run one action; 1 where the bank's file holds what somebody must look at."""
    arguments = _parser().parse_args()
    settings = settings_of(arguments)
    require_lead(settings)
    start_logging(ROLE)
    clock = SystemClock()
    role = Role.READ if arguments.action in READING else Role.SELL
    status = 0
    with database_url(settings) as url:
        with one_transaction(url, role, application_name="kench payout") as connection:
            match arguments.action:
                case "account":
                    said = _account(connection, settings, arguments, clock)
                case "make":
                    said = _make(connection, settings, clock, operator=arguments.operator)
                case "take":
                    said, status = _take(connection, settings, arguments.file, clock)
                case "send":
                    said = ""
                case _:
                    said = _show(list_payouts(connection, arguments.id), as_json=arguments.json)
        # Only now is it committed, and may be told to the bank and to people.
        if said:
            print(said)
        if arguments.action in {"make", "send"}:
            with one_transaction(url, Role.READ, application_name="kench payout") as connection:
                print(_send(connection, settings))
    return status


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "Pay what participants are due to their bank accounts, and take what the bank says of it.",
        example="kench payout make",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    account = action_of(
        actions, "account", "set where a participant is paid, or list all accounts",
        'kench payout account 3 --holder "OcOO Kench" --number 1234567890123456 --bank 109018',
    )  # fmt: skip
    account.add_argument("who", nargs="?", metavar="ID", help="participant's id, or `operator`")
    account.add_argument("--holder", metavar="NAME", help="whose account it is")
    account.add_argument("--number", metavar="NUMBER", help="number of the account")
    account.add_argument("--bank", metavar="BANK", help="BIC, or six digits")
    account.add_argument(
        "--threshold", type=int, metavar="TYIYN", help="its own least payout, above the order's"
    )
    make = action_of(
        actions, "make", "make a batch of what is due, and write its file for the bank",
        "kench payout make",
    )  # fmt: skip
    make.add_argument(
        "--operator", action="store_true", help="pay the operator's fees, not the participants"
    )
    action_of(actions, "send", "write files for the bank that are missing", "kench payout send")
    taking = action_of(
        actions, "take", "take a file of the bank: camt.053, camt.054 or pain.002",
        "kench payout take statement.xml",
    )  # fmt: skip
    taking.add_argument("file", type=Path, metavar="FILE")
    listing = action_of(actions, "list", "show all payouts", "kench payout list --json")
    listing.set_defaults(id=None)
    show = action_of(
        actions, "show", "show one payout", "kench payout show KENCH-00000001-0000000003"
    )
    show.add_argument("id", metavar="ID", help="end-to-end id")
    for one in (listing, show):
        one.add_argument("--json", action="store_true", help="print a JSON array")
    return parser


def _account(
    connection: sa.Connection, settings: Settings, arguments: argparse.Namespace, clock: Clock
) -> str:
    if arguments.who is None:
        table = _table("id", "holder", "account", "bank", "threshold, tyiyn", "version")
        for kept in accounts_in_force(connection).values():
            table.add_row(
                str(kept.participant_id or "operator"), kept.account.holder, kept.account.number,
                kept.account.bank, str(kept.threshold_tyiyn or ""), str(kept.version),
            )  # fmt: skip
        return table_text(table)
    if None in {arguments.holder, arguments.number, arguments.bank}:
        raise PayoutError("an account needs --holder, --number and --bank")
    if arguments.threshold is not None and arguments.threshold < 1:
        raise PayoutError("--threshold is a number of tyiyn above zero")
    account = bank_account(
        arguments.holder, arguments.number, arguments.bank, settings.bank_account_pattern
    )
    participant_id = _id_of(arguments.who)
    version = set_account(connection, participant_id, account, arguments.threshold, _now(clock))
    return f"{arguments.who} is paid to {account.number} at {account.bank} (version {version})"


def _id_of(who: str) -> int:
    if who == "operator":
        return OPERATOR
    if not (who.isascii() and who.isdigit() and 0 < int(who[:18]) < 2**31 and len(who) < 11):
        raise PayoutError("ID is a number that `kench participant list` shows, or `operator`")
    return int(who)


def _make(connection: sa.Connection, settings: Settings, clock: Clock, *, operator: bool) -> str:
    debtor = _debtor(settings)
    rule = load_orders(connection, verifier_of(settings)).payout_at(clock.now_us())
    kind = BatchKind.OPERATOR if operator else BatchKind.CLIENTS
    made = make_batch(connection, kind, rule, debtor, _now(clock))
    lines = [
        f"batch {made.message_id}: {made.payouts} payouts, {made.total_tyiyn} tyiyn, by order "
        f"{rule.order}"
        if made.batch
        else f"nobody is paid: nothing reaches {rule.rule.threshold_tyiyn} tyiyn (order "
        f"{rule.order}) that can be"
    ]
    lines += [
        f"  not paid: {participant_id or 'operator'}: {why.value.replace('_', ' ')}"
        for participant_id, why in sorted(made.unpaid.items())
    ]
    return "\n".join(lines)


def _debtor(settings: Settings) -> BankAccount:
    parts = settings.bank_holder, settings.bank_account, settings.bank_code
    if None in parts:
        raise PayoutError(
            "the clients' account is not known: set KENCH_BANK_HOLDER, KENCH_BANK_ACCOUNT and "
            "KENCH_BANK_CODE"
        )
    holder, number, code = (part or "" for part in parts)
    return bank_account(holder, number, code, settings.bank_account_pattern)


def _send(connection: sa.Connection, settings: Settings) -> str:
    written = write_batches(connection, settings.bank_directory / "out")
    return "\n".join(f"for the bank: {path}" for path in written) or "no file is missing"


def _take(
    connection: sa.Connection, settings: Settings, path: Path, clock: Clock
) -> tuple[str, int]:
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise PayoutError(f"cannot read {path} ({error.strerror}): give another FILE") from error
    ours = OurSide(
        _debtor(settings).number,
        _venues(settings),
    )
    findings = take(connection, raw, path.name, ours, _now(clock))
    table = _table("outcome", "reference", "end-to-end id", "tyiyn", "")
    for finding in findings:
        table.add_row(*_cells(finding))
    odd = sum(not finding.outcome.is_quiet for finding in findings)
    last = f"{len(findings)} entries taken, {odd} to look at (docs/payouts.md says what to do)"
    return f"{table_text(table)}\n{last}", 1 if odd else 0


def _venues(settings: Settings) -> dict[str, str]:
    """Return the venue by the number of the account that it pays from."""
    pairs = (entry.partition("=") for entry in settings.bank_venue_accounts)
    return {number: venue for venue, _, number in pairs}


def _cells(finding: Finding) -> tuple[str, ...]:
    amount = "" if finding.amount_tyiyn is None else str(finding.amount_tyiyn)
    mark = "" if finding.outcome.is_quiet else "! "
    return (
        f"{mark}{finding.outcome.value}", finding.reference, finding.end_to_end_id, amount,
        finding.words,
    )  # fmt: skip


def _show(entries: list[PayoutEntry], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            [entry._asdict() | {"changed_at": entry.changed_at.isoformat()} for entry in entries],
            ensure_ascii=False,
        )
    table = _table("end-to-end id", "participant", "tyiyn", "state", "account", "changed", "reason")
    for entry in entries:
        table.add_row(
            entry.end_to_end_id, str(entry.participant_id or "operator"), str(entry.amount_tyiyn),
            entry.state, entry.account, entry.changed_at.strftime("%Y-%m-%d %H:%M"), entry.reason,
        )  # fmt: skip
    return table_text(table)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="right" if "tyiyn" in heading else "left")
    return table


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_us() // MICROSECONDS, UTC)


if __name__ == "__main__":
    run_root(ROLE, main)
