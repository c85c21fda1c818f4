"""`kench statement`: a participant's month as JSON, CSV, XLSX and PDF, tied to the ledger."""

import argparse
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from kench.payouts.statements.pdf import name_of, pdf_of
from kench.payouts.statements.read import read_statement
from kench.payouts.statements.sheets import csv_of, xlsx_of
from kench.payouts.statements.statement import Period, Statement, StatementError, period_of
from kench.payouts.statements.texts import LANGUAGES, Language
from kench.pool.database import Role, one_transaction
from kench.pool.durable import write_durably
from kench.pool.errors import KenchError
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging

ROLE = "statement"
FORMATS: dict[str, Callable[[Statement, Language], bytes]] = {
    "json": lambda statement, _: statement.canonical(),
    "csv": lambda statement, _: csv_of(statement),
    "xlsx": lambda statement, _: xlsx_of(statement),
    "pdf": pdf_of,
}


class StatementFileError(KenchError):
    """A statement's file cannot be written."""


def main() -> None:
    """Make one statement in the forms that are wanted."""
    arguments = _parser().parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    for name in ("fontTools", "weasyprint"):  # they tell of each table of a font, each step
        logging.getLogger(name).setLevel(logging.WARNING)
    period = period_of(arguments.month)
    forms = _forms(arguments.format)
    with (
        database_url(settings) as url,
        one_transaction(url, Role.READ, application_name="kench statement") as connection,
    ):
        statement = _read(connection, arguments.participant, period)
    for form in forms:
        path = arguments.out / f"{name_of(statement)}.{form}"
        content = FORMATS[form](statement, arguments.language)
        try:
            arguments.out.mkdir(parents=True, exist_ok=True)
            write_durably(path, content)
        except OSError as error:
            raise StatementFileError(
                f"cannot write {path} ({error.strerror}): give another --out"
            ) from error
        print(path)
    print(f"sha256 of the JSON record: {statement.sha256.hex()}")
    if not statement.is_whole:
        print(f"{period.name} is not over: this statement ends at {statement.ends}")


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "A participant's month: balances, lots, fees, payouts. It ties to the ledger to the tyiyn "
        "and the\nsatoshi, or it is not given out.",
        example="kench statement 3 2026-11 --format pdf,json --language ky",
    )
    parser.add_argument("participant", type=int, metavar="PARTICIPANT", help="its id")
    parser.add_argument("month", metavar="MONTH", help="such as 2026-11, of Bishkek's calendar")
    parser.add_argument(
        "--format", default="json", metavar="LIST", help=f"of {', '.join(FORMATS)} (default: json)"
    )
    parser.add_argument(
        "--language", choices=LANGUAGES, default="ru", help="of the PDF (default: ru)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where the files go (default: .)"
    )
    return parser


def _forms(wanted: str) -> list[str]:
    forms = list(dict.fromkeys(wanted.split(",")))
    if unknown := [form for form in forms if form not in FORMATS]:
        raise StatementError(f"--format knows {', '.join(FORMATS)}, and not {unknown[0][:20]!r}")
    return forms


def _read(connection: sa.Connection, participant_id: int, period: Period) -> Statement:
    # Everything is read as of one moment, while the pool works on.
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    # The database's time is that of its rows.
    now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
    if not 0 < participant_id < 2**31:
        raise StatementError("PARTICIPANT is a number that `kench participant list` shows")
    return read_statement(connection, participant_id, period, now.astimezone(UTC))


if __name__ == "__main__":
    run_root(ROLE, main)
