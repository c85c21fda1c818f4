"""`kench top`: what it reads, what it shows at which size, its keys, and what is away."""

import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from kench.commands.top import DATABASE_AWAY, Top
from kench.commands.top_keys import Keys
from kench.commands.top_screen import OTHER_LINES, picture
from kench.commands.top_view import ORDER_OF, ORDERS, Frame, fetch_state, read_frame
from kench.pool.database import Role, open_engine
from kench.pool.register import add_participant, ensure_worker
from kench.pool.settings import Settings

SHOWN_WITHIN_S = 30.0
STATE = {
    "network": "regtest", "height": 7, "serving": True, "why": None, "connections": 5,
    "sessions": 4, "durable_lag_ms": 0.5, "job_age_s": 3.0,
    "nodes": [{"name": "node 1", "usable": True, "why": None}],
    "doors": [
        {"name": "standard", "url": "stratum+tcp://[::1]:3333", "open": True, "connections": 5},
        {"name": "high", "url": "stratum+tcp://[::1]:4444", "open": False, "connections": 0},
    ],
}  # fmt: skip
LIVE = """
    INSERT INTO worker_live VALUES (:participant, :worker, :source, :rate, :rate, :rate, :rate,
        :accepted, :stale, 0, 0, 0, now() - interval '3 min', 1, now() - interval '2 hours',
        65536, 'agent/1')
"""


@pytest.fixture
def pool(engine: sa.Engine) -> sa.Engine:
    """Two participants, three workers; the third is on two machines."""
    with engine.begin() as connection:
        add_participant(connection, "one")
        add_participant(connection, "two")
        for participant, name in ((1, "[red]a"), (1, "b"), (2, "c")):
            ensure_worker(connection, participant, name, limit=9)
        for participant, worker, source, rate, accepted, stale in (
            (1, 1, 0, 5e12, 10, 9), (1, 2, 0, 1e12, 30, 0), (2, 3, 0, 3e12, 7, 1),
            (2, 3, 8, 4e12, 8, 1), (0, 0, 0, 0.0, 0, 99),
        ):  # fmt: skip
            connection.execute(
                sa.text(LIVE),
                {
                    "participant": participant, "worker": worker, "source": source, "rate": rate,
                    "accepted": accepted, "stale": stale,
                },
            )  # fmt: skip
        for source in (0, 8):
            connection.execute(
                sa.text(
                    "INSERT INTO pool_live VALUES (:s, now(), 2, 2, 1, 2, 3, 4, 9, 1, 0, 0, 0)"
                ),
                {"s": source},
            )
        connection.execute(
            sa.text("INSERT INTO front_ends VALUES (0, now(), CAST(:state AS jsonb))"),
            {"state": json.dumps(STATE)},
        )
    return engine


def frame_of(database: str, order: str = "1", participant: int | None = None) -> Frame:
    """Read as the least of the roles."""
    engine = open_engine(database, Role.READ, application_name="test")
    try:
        with engine.connect() as connection:
            return read_frame(connection, ORDER_OF[order], participant, 50)
    finally:
        engine.dispose()


def text_of(frame: Frame, width: int, height: int | None) -> list[str]:
    output = io.StringIO()
    console = Console(file=output, width=width, markup=False, highlight=False)
    console.print(picture(frame, width, height))
    return output.getvalue().splitlines()


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(
    ("order", "names"), [("1", ["c", "[red]a", "b"]), ("a", ["b", "c", "[red]a"]),
                         ("r", ["[red]a", "c", "b"])],
)  # fmt: skip
def test_workers_come_in_the_order_asked_for_summed_over_machines(
    database: str, order: str, names: list[str]
) -> None:
    frame = frame_of(database, order)
    assert [row["name"] for row in frame.workers] == names
    (both,) = [row for row in frame.workers if row["name"] == "c"]
    assert (both["hashrate_1m"], both["accepted"], both["sessions"]) == (7e12, 15, 2)
    assert frame.pool is not None
    assert (frame.pool["hashrate_24h"], frame.pool["accepted_per_s"]) == (8, 18)


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize("order", [order.key for order in ORDERS])
def test_one_participants_workers_alone_in_any_order(database: str, order: str) -> None:
    frame = frame_of(database, order, participant=1)
    assert {row["name"] for row in frame.workers} == {"[red]a", "b"}


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("height", [1, 9, 24, None])
def test_a_picture_keeps_to_its_size(database: str, width: int, height: int | None) -> None:
    lines = text_of(frame_of(database), width, height)
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= max(OTHER_LINES, height or 99)


@pytest.mark.usefixtures("pool")
def test_the_lines_say_what_the_pool_does_and_names_stay_what_they_are(database: str) -> None:
    text = "\n".join(text_of(frame_of(database), 160, None))
    for words in (
        "regtest", "height 7", "job 3 s", "serving", "24h 8 H/s", "accepted 18", "sessions 4",
        "journal lag 0.5 ms", "nodes 1/1", "processes 1/1", "standard:3333 5", "high:4444 shut",
        "1.[red]a", "5 TH/s", "agent/1", "2h", "47.4%",
    ):  # fmt: skip
        assert words in text, words


def test_an_empty_pool_has_a_picture_too(database: str) -> None:
    text = "\n".join(text_of(frame_of(database), 80, 24))
    assert "no stratum server runs" in text
    assert "none" in text


def away() -> str:
    return "postgresql://kench@127.0.0.1:1/kench"


def test_while_the_database_is_away_the_last_picture_stays(database: str, pool: sa.Engine) -> None:
    settings = Settings(metrics_port=0)
    top = Top(settings, pool)
    assert [row["name"] for row in top.read(9).workers] == ["c", "[red]a", "b"]
    top._engine = open_engine(away(), application_name="test")
    frame = top.read(9)
    assert frame.trouble == DATABASE_AWAY
    assert len(frame.workers) == 3
    assert DATABASE_AWAY in "\n".join(text_of(frame, 80, 24))


@pytest.fixture
def job_maker() -> Iterator[tuple[HTTPServer, dict[str, Any]]]:
    """A port that answers /status with what the test puts there."""
    answer: dict[str, Any] = {"body": json.dumps(STATE | {"fronts": {"0": STATE}}).encode()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_job_makers_port_says_more_when_it_answers(
    job_maker: tuple[HTTPServer, dict[str, Any]],
) -> None:
    server, answer = job_maker
    settings = Settings(metrics_port=server.server_port, metrics_host="127.0.0.1")
    top = Top(settings, open_engine(away(), application_name="test"))
    frame = top.read(9)
    assert frame.trouble == DATABASE_AWAY
    assert frame.state is not None
    assert frame.state["height"] == 7
    answer["body"] = b"no json"
    assert fetch_state("127.0.0.1", server.server_port) is None


def test_nobody_at_the_port_is_no_fault() -> None:
    assert fetch_state("127.0.0.1", 1) is None
    assert fetch_state("127.0.0.1", 0) is None


def test_keys_sort_filter_and_quit(database: str, pool: sa.Engine) -> None:
    top = Top(Settings(), pool)
    assert top.press("xr4")
    assert top.order.key == "4"
    top.press("f1q2")
    assert "12_" in top.prompt
    top.press("\x7f\n")
    assert (top.participant, top.typed) == (1, None)
    top.press("f7\x1b")
    assert top.participant == 1
    top.press("\x1b")
    assert top.participant is None
    top.press("f" + "9" * 30 + "\n")
    assert top.participant == 999_999_999
    top.press("f\n")
    assert top.participant is None
    assert not top.press("q")


def test_what_is_no_terminal_has_no_keys(tmp_path: Any) -> None:
    with (tmp_path / "in").open("w+") as stream:
        keys = Keys(stream)
        with keys.listening():
            assert keys.wait(0.01) == ""


def top_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "kench", "top", *words]


def variables(database: str) -> dict[str, str]:
    return {**os.environ, "KENCH_DATABASE_URL": database, "KENCH_METRICS_PORT": "0",
            "PYTHONWARNINGS": "error", "TERM": "xterm"}  # fmt: skip


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize("words", [(), ("--once",)])
def test_one_picture_goes_into_a_pipe(database: str, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        top_command("--sort", "a", "--participant", "1", *words),
        env=variables(database), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "workers of participant 1 by accepted shares" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_database_that_is_not_there_is_one_line() -> None:
    done = subprocess.run(
        top_command("--once"), env=variables(away()), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


class Terminal:
    """A terminal of 100 columns with `kench top` in it."""

    def __init__(self, database: str) -> None:
        self.own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(other)
        self.process = subprocess.Popen(
            top_command("--refresh", "0.2"), env=variables(database),
            stdin=other, stdout=other, stderr=other,
        )  # fmt: skip
        self.other = other
        self._seen = ""

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + SHOWN_WITHIN_S
        while words not in self._seen:
            assert time.monotonic() < deadline, self._seen[-2000:]
            if select.select([self.own], [], [], 0.1)[0]:
                raw = os.read(self.own, 65_536).decode("utf-8", "ignore")
                self._seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
        self._seen = ""

    def type(self, keys: str) -> None:
        os.write(self.own, keys.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait(SHOWN_WITHIN_S)
        os.close(self.own)
        os.close(self.other)


@pytest.mark.usefixtures("pool")
def test_a_terminal_shows_it_live_and_is_left_as_it_was(database: str) -> None:
    terminal = Terminal(database)
    try:
        terminal.wait_for("1.[red]a")
        terminal.type("r")
        terminal.wait_for("by refused shares")
        terminal.type("f2\r")
        terminal.wait_for("workers of participant 2")
        terminal.type("q")
        assert terminal.process.wait(SHOWN_WITHIN_S) == 0
        assert termios.tcgetattr(terminal.other) == terminal.before
    finally:
        terminal.close()
