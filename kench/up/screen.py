"""What people see while `kench up` runs: a live table on a terminal, a line now and then without.

The tables are made from the object of `kench status --json`, so that all three agree.
"""

from collections.abc import Iterator
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kench.commands.figures import hashrate_text
from kench.commands.standby_view import standby_words
from kench.commands.stream_view import stream_words
from kench.pool.clock import Clock
from kench.up.sale_screen import bitcoin_text, kgs_text, lots_table, proceeds_table, sale_words

LINE_PERIOD_S = 30.0
PARTICIPANTS_SHOWN = 10
BLOCK_STATES = ("pending", "mature", "orphaned")


class Screen:
    """Shows lines and, on a terminal, the newest status under them."""

    def __init__(self, clock: Clock, console: Console | None = None) -> None:
        self._clock = clock
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._line_due_s = clock.monotonic() + LINE_PERIOD_S

    def say(self, line: str) -> None:
        """Show one line; it is never broken, so that a program can read it."""
        self._console.print(line, markup=False, soft_wrap=True)
        self._console.file.flush()

    def start(self) -> None:
        """Begin to show the status."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()

    def show(self, status: dict[str, Any] | None) -> None:
        """Show the status: at once on a terminal, each LINE_PERIOD_S elsewhere."""
        if status is None:
            return
        if self._live is not None:
            self._live.update(picture(status), refresh=True)
        elif self._clock.monotonic() >= self._line_due_s:
            self._line_due_s = self._clock.monotonic() + LINE_PERIOD_S
            self.say(summary_line(status))

    def stop(self) -> None:
        """Leave the last picture standing and show no more of them."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def picture(status: dict[str, Any]) -> RenderableType:
    """Return the whole picture of a status object."""
    return Group(
        Panel(_headline(status), title="Kench", title_align="left", border_style="cyan"),
        Columns(
            [
                _shares_table(status),
                _blocks_table(status),
                _last_blocks_table(status),
            ],
            padding=(0, 2),
        ),
        Columns([lots_table(status), proceeds_table(status)], padding=(0, 2)),
        _participants_table(status),
    )


def summary_line(status: dict[str, Any]) -> str:
    """Return the status as one line for a log."""
    shares, blocks = status["shares"], status["block_counts"]
    counts = ", ".join(f"{blocks[state]} {state}" for state in BLOCK_STATES)
    return (
        f"kench: {hashrate_text(pool_hashrate(status))}, "
        f"shares {shares['accepted']} accepted {sum(shares['refused'].values())} refused, "
        f"blocks {counts}, height {status['height']}{sale_words(status)}{_copies_alarm(status)}"
    )


def _copies(status: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield name, words and whether all is well, of the standby and of the stream if there are."""
    for name, words_for in (("standby", standby_words), ("stream", stream_words)):
        if (copy := status.get(name)) is not None:
            yield name, *words_for(copy)


def _copies_alarm(status: dict[str, Any]) -> str:
    """Return what does not fare well of them, for a line of a log."""
    return "".join(f", {name}: {said}" for name, said, well in _copies(status) if not well)


def pool_hashrate(status: dict[str, Any]) -> float:
    """Return hashes a second of all participants, as the stratum server estimates them."""
    return float(sum((status.get("hashrate") or {}).values()))


def _headline(status: dict[str, Any]) -> Text:
    words = [
        (hashrate_text(pool_hashrate(status)), "bold green"),
        ("   network ", "dim"),
        (str(status["network"]), ""),
        ("   height ", "dim"),
        (str(status["height"]), ""),
        ("   journal ", "dim"),
        (f"{status['journal']['records']} shares", ""),
    ]
    for door in status.get("doors") or []:
        words += [("\n" + door["name"], "dim"), (f"  {door['url']}  ", "cyan")]
        if door["open"]:
            words += [(f"{door['connections']} connections", "")]
        else:
            words += [(f"shut: {door['why']}" if door["why"] else "shut", "red")]
    for name, said, well in _copies(status):
        words += [(f"\n{name}  ", "dim"), (said, "" if well else "yellow")]
    if status.get("serving") is False:
        words += [("\nnot serving: ", "bold red"), (str(status.get("why")), "red")]
    for name, text in (("why", "custody"), ("orders_fault", "orders")):
        alarm = (status.get("custody") or {}).get(name)
        if alarm:
            words += [(f"\n{text} alarm: {alarm}", "bold red")]
    if not status["ledger"]["balanced"]:
        words += [("\nthe ledger does not balance: run `kench verify`", "bold red")]
    return Text.assemble(*words)


def _shares_table(status: dict[str, Any]) -> Table:
    table = Table(title="Shares", title_justify="left")
    table.add_column("outcome")
    table.add_column("shares", justify="right")
    table.add_row("accepted", str(status["shares"]["accepted"]), style="green")
    for reason, count in sorted(status["shares"]["refused"].items()):
        table.add_row(Text(reason.replace("_", " ")), str(count), style="yellow")
    return table


def _blocks_table(status: dict[str, Any]) -> Table:
    counts = status["block_counts"]
    table = Table(title="Blocks", title_justify="left")
    table.add_column("state")
    table.add_column("blocks", justify="right")
    table.add_row("found", str(sum(counts.values())))
    table.add_row("maturing", str(counts["pending"]), style="cyan")
    table.add_row("mature", str(counts["mature"]), style="green")
    table.add_row("orphaned", str(counts["orphaned"]), style="yellow")
    return table


def _last_blocks_table(status: dict[str, Any]) -> Table:
    table = Table(title="Last blocks", title_justify="left")
    for heading in ("height", "reward BTC"):
        table.add_column(heading, justify="right")
    for heading in ("finder", "state"):
        table.add_column(heading)
    for block in status["blocks"]:
        table.add_row(
            str(block["height"]),
            bitcoin_text(block["reward_sat"]),
            Text(str(block["finder"])),
            str(block["state"]),
        )
    return table


def _participants_table(status: dict[str, Any]) -> Table:
    # Names are Text: as plain strings, square brackets in them would be read as markup.
    rates = status.get("hashrate") or {}
    table = Table(title="Ledger", title_justify="left")
    table.add_column("id")
    table.add_column("name")
    for heading in ("workers", "hashrate", "accepted", "pending BTC", "mature BTC",
                    "due KGS"):  # fmt: skip
        table.add_column(heading, justify="right")
    for row in status["participants"][:PARTICIPANTS_SHOWN]:
        table.add_row(
            str(row["id"]),
            Text(str(row.get("name", ""))),
            str(row["workers"]),
            hashrate_text(float(rates.get(str(row["id"]), 0))),
            str(row["accepted"]),
            bitcoin_text(row["pending_sat"]),
            bitcoin_text(row["mature_sat"]),
            kgs_text(row.get("due_tyiyn", 0)),
        )
    hidden = len(status["participants"]) - PARTICIPANTS_SHOWN
    if hidden > 0:
        table.caption = f"and {hidden} more: `kench status` shows all"
    return table
