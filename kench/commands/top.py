"""`kench top`: the pool and its workers, live on a terminal, or one picture for a pipe."""

import signal
import sys
from dataclasses import replace
from typing import NoReturn

import sqlalchemy as sa
from rich.console import Console
from rich.live import Live
from sqlalchemy.exc import SQLAlchemyError

from kench.commands.top_keys import Keys
from kench.commands.top_screen import HELP, picture, workers_that_fit
from kench.commands.top_view import (
    ORDER_OF,
    ORDERS,
    Frame,
    Order,
    fetch_state,
    read_frame,
)
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.postgres import database_url
from kench.pool.roots import EXIT_FAULT, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings

ROLE = "top"
REFRESH_S = 2.0
# A picture for a pipe, which has no size.
PIPE_WIDTH, PIPE_WORKERS = 160, 50
PARTICIPANT_DIGITS_MAX = 10
STATEMENT_S = 10.0
ESCAPE, ENTER, BACKSPACE = "\x1b", "\r\n", "\x7f\b"
DATABASE_AWAY = "the database is away: it is asked again"


class Top:
    """What is shown, in which order, of whom; keys change it."""

    def __init__(self, settings: Settings, engine: sa.Engine) -> None:
        self._settings = settings
        self._engine = engine
        self.order: Order = ORDERS[0]
        self.participant: int | None = None
        self.typed: str | None = None  # of a participant's number, while it is being typed
        self._last: Frame | None = None

    def read(self, count: int) -> Frame:
        """Read a picture; where the database is away, the last one with what else is known."""
        state = fetch_state(self._settings.metrics_host, self._settings.metrics_port)
        try:
            with self._engine.connect() as connection:
                frame = read_frame(connection, self.order, self.participant, count)
        except SQLAlchemyError:
            last = self._last or Frame(None, None, [], self.order, self.participant)
            return replace(last, state=state or last.state, trouble=DATABASE_AWAY)
        self._last = replace(frame, state=state or frame.state)
        return self._last

    def press(self, keys: str) -> bool:
        """Act on what was typed; False to quit."""
        return all(self._press(key) for key in keys)

    @property
    def prompt(self) -> str:
        """The last line: what is being typed, or what the keys are."""
        if self.typed is None:
            return HELP
        return f"participant: {self.typed}_   Enter: show it, all if empty   Esc: as before"

    def _press(self, key: str) -> bool:
        if self.typed is not None:
            self._type(key)
        elif key in {"q", "Q"}:
            return False
        elif key == "f":
            self.typed = ""
        elif key == ESCAPE:
            self.participant = None
        else:
            self.order = ORDER_OF.get(key, self.order)
        return True

    def _type(self, key: str) -> None:
        typed = self.typed or ""
        if key == ESCAPE:
            self.typed = None
        elif key in ENTER:
            self.participant, self.typed = int(typed or 0) or None, None
        elif key in BACKSPACE:
            self.typed = typed[:-1]
        elif key.isascii() and key.isdigit() and len(typed) < PARTICIPANT_DIGITS_MAX - 1:
            self.typed = typed + key


def main() -> int:
    """Show the pool until `q`, or once."""
    parser = command(
        ROLE,
        "Watch the pool and its workers live: hashrates, shares, sessions.",
        example="kench top --data ./data --sort r --participant 7",
    )
    parser.add_argument("--once", action="store_true", help="print one picture and end")
    parser.add_argument(
        "--sort",
        choices=[order.key for order in ORDERS],
        default=ORDERS[0].key,
        metavar="KEY",
        help="; ".join(f"{order.key}: {order.name}" for order in ORDERS),
    )
    parser.add_argument("--participant", type=int, metavar="ID", help="this one's workers alone")
    parser.add_argument(
        "--refresh", type=float, default=REFRESH_S, metavar="S", help="seconds between pictures (2)"
    )
    given = parser.parse_args()
    settings = settings_of(given)
    start_logging(ROLE)
    with database_url(settings) as url:
        engine = open_engine(
            url,
            Role.READ,
            application_name="kench top",
            pool_size=1,
            statement_timeout_s=STATEMENT_S,
        )
        try:
            check_schema(engine)
            top = Top(settings, engine)
            top.order, top.participant = ORDER_OF[given.sort], given.participant
            console = Console(markup=False, highlight=False)
            if given.once or not console.is_terminal:
                return _print_once(top, console)
            return _watch(top, console, max(0.2, given.refresh))
        finally:
            engine.dispose()


def _print_once(top: Top, console: Console) -> int:
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=PIPE_WIDTH)
    frame = top.read(PIPE_WORKERS)
    console.print(picture(frame, console.width, None))
    return EXIT_FAULT if frame.trouble else 0


def _watch(top: Top, console: Console, refresh_s: float) -> int:
    signal.signal(signal.SIGTERM, _quit)
    keys = Keys(sys.stdin)
    try:
        with keys.listening(), Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                width, height = console.size
                frame = top.read(workers_that_fit(height))
                live.update(picture(frame, width, height, top.prompt), refresh=True)
                if not _follow_keys(top, keys, refresh_s, live, console, frame):
                    return 0
    except KeyboardInterrupt:
        return 0


def _follow_keys(  # noqa: PLR0913, PLR0917 - one step of the loop above
    top: Top, keys: Keys, refresh_s: float, live: Live, console: Console, frame: Frame
) -> bool:
    """Wait for the next picture's time; a key is answered at once. False to quit."""
    while typed := keys.wait(refresh_s):
        chosen = (top.order, top.participant)
        if not top.press(typed):
            return False
        if (top.order, top.participant) != chosen:
            return True
        live.update(picture(frame, *console.size, top.prompt), refresh=True)
    return True


def _quit(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    run_root(ROLE, main)
