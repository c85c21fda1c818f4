"""`kench income`: records for the tax service, formed, listed, compared, corrected, handed over."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import sqlalchemy as sa
from rich import box
from rich.table import Table

from kench.commands.files import new_file
from kench.commands.proof import progress
from kench.commands.showing import action_of, table_text
from kench.payouts.income.archive import How, export_zip
from kench.payouts.income.correct import correct
from kench.payouts.income.generate import generate
from kench.payouts.income.periods import list_periods, period_state
from kench.payouts.income.rates import BYTES_MAX, RatesRefusedError, import_rates, read_rates
from kench.payouts.income.reconcile import compare
from kench.payouts.income.revise import MANY, Survey, Whose, revise, survey
from kench.pool.clock import Clock, SystemClock
from kench.pool.database import Role, one_transaction
from kench.pool.moments import moment_of
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.settings import Settings

ROLE = "income"
Action = Callable[[sa.Connection, argparse.Namespace, Settings, Clock], tuple[str, int]]


def main() -> int:
    """Run one action; 1 where something differs."""
    arguments = _parse()
    settings = settings_of(arguments)
    start_logging(ROLE)
    clock = SystemClock()
    role, action = ACTIONS[arguments.action]
    with database_url(settings) as url:
        if arguments.action == "correct" and arguments.doc_ref is None:
            whose = Whose(arguments.period, arguments.participant)
            correct_many(url, whose, clock, writes=not arguments.dry_run)
            return 0
        with one_transaction(url, role, application_name="kench income") as db:
            said, status = action(db, arguments, settings, clock)
    # Only now is it committed, and may be told.
    if said:
        print(said)
    return status


def _parse() -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.action == "correct":
        many = arguments.participant or arguments.dry_run
        if (arguments.doc_ref is None) is (arguments.period is None) or (
            many and not arguments.period
        ):
            parser.error("correct needs a DOC_REF, or --period with or without --participant")
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "Form the participants' income records for the tax service, compare them with the books,\n"
        "correct them by further documents, and write them to a file.",
        example="kench income reconcile 2026-10",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    making = action_of(
        actions, "generate", "form what a period lacks, of days that are over",
        "kench income generate 2026-10",
    )  # fmt: skip
    listing = action_of(
        actions, "list", "show all periods, or what one holds", "kench income list --json"
    )
    comparing = action_of(
        actions, "reconcile", "compare records, ledger, lots and fills; 1 where they differ",
        "kench income reconcile 2026-10",
    )  # fmt: skip
    for one in (making, comparing):
        one.add_argument("period", metavar="PERIOD", help="a month such as 2026-10")
    listing.add_argument("period", nargs="?", metavar="PERIOD", help="a month such as 2026-10")
    for one in (listing, comparing):
        one.add_argument("--json", action="store_true", help="print JSON")
    correcting = action_of(
        actions, "correct", "correct a record, or all of a period, by what books and register say",
        "kench income correct KG-2026-10-7-2026-10-05-1\n"
        "  kench income correct --period 2026-10 --participant 7 --dry-run",
    )  # fmt: skip
    correcting.add_argument("doc_ref", nargs="?", metavar="DOC_REF", help="name of one record")
    correcting.add_argument(
        "--period", metavar="PERIOD", help="all records of the month that read differently now"
    )
    correcting.add_argument(
        "--participant", type=int, default=0, metavar="N", help="those of one participant alone"
    )
    correcting.add_argument(
        "--dry-run", action="store_true", help="say what would be written, and write nothing"
    )
    handing = action_of(
        actions, "export", "write a period's ZIP of JSON, CSV, CARF XML and signatures",
        "kench income export 2026-10 --to income-2026-10.zip",
    )  # fmt: skip
    handing.add_argument("period", metavar="PERIOD", help="a month such as 2026-10")
    handing.add_argument(
        "--to", type=Path, required=True, metavar="FILE.zip", help="a file that is not there yet"
    )
    rates = action_of(
        actions, "rates", "import a table of the National Bank's official rates",
        "kench income rates daily.xml",
    )  # fmt: skip
    rates.add_argument("file", type=Path, metavar="FILE")
    return parser


def _generate(
    db: sa.Connection, arguments: argparse.Namespace, _settings: Settings, clock: Clock
) -> tuple[str, int]:
    with progress("records formed") as show:
        made = generate(db, arguments.period, clock.now_us(), show)
    until = f"up to {made.until}" if made.until else "no day of it is over"
    return f"{made.period}: {made.records} records formed of {made.days} days, {until}", 0


def _list(
    db: sa.Connection, arguments: argparse.Namespace, _settings: Settings, _clock: Clock
) -> tuple[str, int]:
    periods = [arguments.period] if arguments.period else list_periods(db)
    states = [period_state(db, period) for period in periods]
    if arguments.json:
        return msgspec.json.encode(states).decode(), 0
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("period", "state", "documents", "participants", "mined, sat", "sold, sat",
                    "net, tyiyn", "paid, tyiyn"):  # fmt: skip
        table.add_column(heading, justify="left" if heading in {"period", "state"} else "right")
    for one in states:
        sums = one.summary.totals
        table.add_row(
            one.period, one.state.value, str(one.summary.records), str(one.summary.participants),
            str(sums.accrued_sat), str(sums.sold_sat), str(sums.net_tyiyn), str(sums.paid_tyiyn),
        )  # fmt: skip
    return table_text(table), 0


def _reconcile(
    db: sa.Connection, arguments: argparse.Namespace, _settings: Settings, clock: Clock
) -> tuple[str, int]:
    found = compare(db, arguments.period, clock.now_us())
    status = 1 if found.differences else 0
    if arguments.json:
        said = {"period": found.period, "totals": found.totals,
                "differences": [one.words() for one in found.differences]}  # fmt: skip
        return json.dumps(said), status
    lines = [one.words() for one in found.differences]
    lines.append(_totals(found.totals))
    count = len(found.differences)
    lines.append(f"kench income: {f'{count} differences' if count else 'nothing differs'}")
    return "\n".join(lines), status


def _totals(totals: Mapping[str, Mapping[str, int]]) -> str:
    sources = ("records", "nobody", "ledger", "books", "fills")
    table = Table("", *sources, box=box.SIMPLE_HEAD)
    for name, row in totals.items():
        table.add_row(name, *(str(row[one]) if one in row else "" for one in sources))
    return table_text(table)


def _correct(
    db: sa.Connection, arguments: argparse.Namespace, _settings: Settings, clock: Clock
) -> tuple[str, int]:
    made = correct(db, arguments.doc_ref, moment_of(clock.now_us()))
    return f"{made.doc_ref} ({made.doc_type.value}) stands for {arguments.doc_ref} now", 0


def correct_many(url: str, whose: Whose, clock: Clock, *, writes: bool) -> None:
    """Say what differs, and correct it, batch by batch, each committed by itself."""
    with one_transaction(url, Role.READ, application_name="kench income") as db:
        found = survey(db, whose)
    print(_found(whose, found))
    done, after = 0, 0 if writes and found.documents else None
    while after is not None:
        with one_transaction(url, Role.SETTLE, application_name="kench income") as db:
            batch = revise(db, whose, moment_of(clock.now_us()), after=after, most=MANY)
        done, after = done + batch.documents, batch.after
        print(f"{done} documents written")


def _found(whose: Whose, found: Survey) -> str:
    """Return what correcting would write, in lines."""
    lines = [
        f"{whose.period}: {found.corrections} to correct, {found.deletions} to take back",
        f"participants: {found.participants}",
    ]
    lines += [f"  {matter.value} differs in {count}" for matter, count in found.matters.items()]
    return "\n".join(lines)


def _export(
    db: sa.Connection, arguments: argparse.Namespace, settings: Settings, clock: Clock
) -> tuple[str, int]:
    with new_file(arguments.to) as file, progress("documents written") as show:
        made = export_zip(db, arguments.period, file, clock.now_us(), How.of(settings), show)
    return f"{arguments.to}: {made.records} documents of {made.period}, digest {made.digest}", 0


def _rates(
    db: sa.Connection, arguments: argparse.Namespace, _settings: Settings, clock: Clock
) -> tuple[str, int]:
    try:
        with arguments.file.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise RatesRefusedError(
            f"cannot read {arguments.file} ({error.strerror}): give another FILE"
        ) from error
    rates = read_rates(raw)
    added = import_rates(db, rates, moment_of(clock.now_us()))
    return f"{len(rates)} rates of {rates[0].day}, {added} of them new", 0


ACTIONS: Mapping[str, tuple[Role, Action]] = {
    "generate": (Role.SETTLE, _generate),
    "list": (Role.READ, _list),
    "reconcile": (Role.READ, _reconcile),
    "correct": (Role.SETTLE, _correct),
    "export": (Role.READ, _export),
    "rates": (Role.SETTLE, _rates),
}


if __name__ == "__main__":
    run_root(ROLE, main)
