"""The picture of `kench top`: some lines of the pool, then as many workers as fit."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kench.commands.figures import age_text, hashrate_text, short_text
from kench.commands.top_view import OUTCOMES, RATES, Frame

HELP = "1 2 3 4 a r l s: sort   f: participant   q: quit"
# Lines that are no workers: those of the pool, the heading, what the keys are.
OTHER_LINES = 8
WORKERS_MAX = 500


class Column(NamedTuple):
    """A column of the workers' table, shown on terminals at least so wide."""

    heading: str
    width: int
    from_width: int
    text: Callable[[dict[str, Any]], str]
    left: bool = False


def _name(row: dict[str, Any]) -> str:
    return f"{row['participant_id']}.{row['name'] or row['worker_id']}"


def _refused(row: dict[str, Any]) -> str:
    refused = sum(row[outcome] for outcome in OUTCOMES[1:])
    return f"{100 * refused / max(1, refused + row['accepted']):.1f}%" if refused else "0"


def _rate(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: hashrate_text(row[name])


def _count(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: short_text(row[name])


COLUMNS = (
    Column("worker", 22, 0, _name, left=True),
    Column("1 min", 9, 0, _rate("hashrate_1m")),
    Column("10 min", 9, 110, _rate("hashrate_10m")),
    Column("1 h", 9, 0, _rate("hashrate_1h")),
    Column("24 h", 9, 60, _rate("hashrate_24h")),
    Column("accepted", 8, 70, _count("accepted")),
    Column("stale", 5, 130, _count("stale")),
    Column("low", 5, 130, _count("low_difficulty")),
    Column("dup", 5, 130, _count("duplicate")),
    Column("other", 5, 130, _count("other")),
    Column("refused", 7, 44, _refused),
    Column("last", 4, 0, lambda row: age_text(row["last_share_s"])),
    Column("sess", 4, 110, lambda row: str(row["sessions"])),
    Column("up", 4, 120, lambda row: age_text(row["session_s"])),
    Column("diff", 8, 120, _count("difficulty")),
    Column("user agent", 24, 150, lambda row: str(row["user_agent"]), left=True),
)


def workers_that_fit(height: int) -> int:
    """Return how many workers a terminal of this height has lines for."""
    return min(max(0, height - OTHER_LINES), WORKERS_MAX)


def picture(frame: Frame, width: int, height: int | None, prompt: str | None = None) -> Group:
    """Return one picture; without a height all workers that were read are shown."""
    lines: list[RenderableType] = [*_pool_lines(frame)]
    if height is None or height > OTHER_LINES:
        rows = frame.workers if height is None else frame.workers[: workers_that_fit(height)]
        lines.append(_workers(rows, width))
    if height is not None:
        lines.append(_line((prompt if prompt is not None else HELP, "dim")))
    return Group(*lines)


def _line(*words: tuple[str, str]) -> Text:
    text = Text.assemble(*words, no_wrap=True, overflow="ellipsis")
    text.no_wrap = True
    return text


def _pool_lines(frame: Frame) -> list[Text]:
    lines = [_state_line(frame.state), *_number_lines(frame), *_place_lines(frame.state)]
    if frame.trouble:
        lines.append(_line((frame.trouble, "bold red")))
    chosen = f" of participant {frame.participant}" if frame.participant else ""
    words = f"workers{chosen} by {frame.order.name}"
    if not frame.workers and not frame.trouble:
        words += ": none"
    return [*lines, _line((words, "dim"))]


def _service(state: dict[str, Any]) -> tuple[str, str]:
    alarm = (state.get("custody") or {}).get("why")
    if alarm:
        return f"custody alarm: {alarm}", "bold red"
    return (
        ("serving", "green") if state["serving"] else (f"not serving: {state['why']}", "bold red")
    )


def _state_line(state: dict[str, Any] | None) -> Text:
    if state is None:
        return _line(("Kench  ", "bold cyan"), ("no stratum server runs", "bold red"))
    ages = [front.get("job_age_s") for front in state["fronts"].values()]
    known = [age for age in ages if age is not None]
    words = [
        ("Kench  ", "bold cyan"),
        (f"{state['network'] or 'no network yet'}", ""),
        ("  height ", "dim"),
        (str(state["height"] if state["height"] is not None else "-"), ""),
        ("  job ", "dim"),
        (f"{min(known):.0f} s" if known else "-", ""),
        ("  ", ""),
        _service(state),
    ]
    return _line(*words)


def _number_lines(frame: Frame) -> list[Text]:
    pool = frame.pool
    if pool is None:
        return []
    rates: list[tuple[str, str]] = [("hashrate", "dim")]
    for name in RATES:
        rates += [(f"  {name.removeprefix('hashrate_')} ", "dim")]
        rates += [(hashrate_text(pool[name]), "bold green")]
    shares: list[tuple[str, str]] = [("shares/s", "dim")]
    for outcome in OUTCOMES:
        shares += [(f"  {outcome.replace('_difficulty', '')} ", "dim")]
        shares += [(short_text(pool[f"{outcome}_per_s"]), "")]
    return [_line(*rates), _line(*shares)]


def _place_lines(state: dict[str, Any] | None) -> list[Text]:
    if state is None:
        return []
    sessions = sum(front.get("sessions") or 0 for front in state["fronts"].values())
    serving = sum(bool(front.get("serving")) for front in state["fronts"].values())
    usable = [node["name"] for node in state["nodes"] if node.get("usable")]
    words = [
        ("sessions ", "dim"),
        (str(sessions), ""),
        ("  connections ", "dim"),
        (str(state["connections"]), ""),
        ("  journal lag ", "dim"),
        (f"{state['durable_lag_ms']:.1f} ms", ""),
        ("  nodes ", "dim"),
        (f"{len(usable)}/{len(state['nodes'])}", "" if usable else "bold red"),
        ("  processes ", "dim"),
        (f"{serving}/{len(state['fronts'])}", "" if serving else "bold red"),
    ]
    doors = [("doors", "dim")]
    for door in state.get("doors") or ():
        port = str(door.get("url", "")).rpartition(":")[2]
        doors += [(f"  {door['name']}", "" if door.get("open") else "red"), (f":{port} ", "dim")]
        doors += [(str(door.get("connections", 0)) if door.get("open") else "shut", "")]
    return [_line(*words), _line(*doors)] if len(doors) > 1 else [_line(*words)]


def _workers(rows: list[dict[str, Any]], width: int) -> Table:
    # Names are Text: as plain strings, square brackets in them would be read as markup.
    shown = [column for column in COLUMNS if width >= column.from_width]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in shown:
        table.add_column(
            column.heading,
            justify="left" if column.left else "right",
            no_wrap=True,
            overflow="ellipsis",
            min_width=min(column.width, 9),
            max_width=column.width,
        )
    for row in rows:
        style = "dim" if not row["sessions"] else ""
        table.add_row(*(Text(column.text(row)) for column in shown), style=style)
    return table
