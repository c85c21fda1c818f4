"""What commands with several actions, and those that print tables, have in common."""

import argparse
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 160
"""Columns of a table that no terminal shows."""


def action_of(actions: Any, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """Add an action to a command's; it takes `--data` as well as the command does."""
    added: argparse.ArgumentParser = actions.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Either place will do: before the action or after it.
    added.add_argument(
        "--data",
        dest="data_dir",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder of everything kept (default: data; KENCH_DATA)",
    )
    return added


def table_text(table: Table) -> str:
    """A table as text, as wide as the terminal if there is one."""
    console = Console(markup=False, width=None if sys.stdout.isatty() else WIDTH)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip("\n")
