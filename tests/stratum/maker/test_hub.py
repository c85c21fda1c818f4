"""The line between job maker and front over a real socket: current, bounded, made again."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kench.native import JobTable
from kench.pool.clock import ManualClock
from kench.pool.job import Job
from kench.stratum import feed_line
from kench.stratum.feed import LENGTH_BYTES, Kind, frame, frame_of, short_path
from kench.stratum.feed_line import FeedLine
from kench.stratum.maker import hub as hub_module
from kench.stratum.maker.hub import Hub
from tests.support.jobs import Jobs, small_template
from tests.support.stratum_client import run
from tests.support.waiting import until

WAIT_S = 10.0


class Maker:
    """What the hub tells, kept."""

    def __init__(self) -> None:
        self.states: dict[int, dict[str, Any]] = {}
        self.heard: list[str] = []
        self.came: list[tuple[int, int]] = []
        self.values: list[tuple[int, int, bytes]] = []
        self.costs: list[tuple[int, dict[str, Any]]] = []
        self.jobs = Jobs(JobTable(16), ManualClock())

    def front_state(self, number: int, state: dict[str, Any]) -> None:
        self.states[number] = state

    def front_came(self, number: int, pid: int) -> None:
        self.came.append((number, pid))

    def front_values(self, number: int, kind: int, body: bytes) -> None:
        self.values.append((number, kind, body))

    def front_origins(self, origins: bytes) -> bool:
        self.heard.append(f"origins {origins.decode()}")
        return origins != b"too many"

    def front_costs(self, number: int, content: dict[str, Any]) -> None:
        self.costs.append((number, content))

    def front_gone(self, number: int) -> None:
        self.heard.append(f"gone {number}")

    def successor_came(self) -> None:
        self.heard.append("successor")

    def retarget_wanted(self) -> None:
        self.heard.append("retarget")

    def block_accepted(self) -> None:
        self.heard.append("accepted")

    def job(self) -> Job:
        return self.jobs.add(small_template())[0]


class Front:
    """What a front hears, kept."""

    def __init__(self) -> None:
        self.jobs: list[tuple[int, bool]] = []
        self.said: list[str | None] = []
        self.values: list[tuple[int, bytes]] = []
        self.costs: list[dict[str, Any]] = []
        self.bans: list[dict[str, Any]] = []
        self.times_connected = 0
        self.is_orphan = False

    def take_job(self, job: Job, *, for_all: bool) -> None:
        self.jobs.append((job.key, for_all))

    def take_no_job(self, why: str) -> None:
        self.said.append(why)

    def take_proposal(self, reason: str | None) -> None:
        self.said.append(reason)

    def take_values(self, kind: int, body: bytes) -> None:
        self.values.append((kind, body))

    def take_costs(self, content: dict[str, Any]) -> None:
        self.costs.append(content)

    def take_bans(self, content: dict[str, Any]) -> None:
        self.bans.append(content)

    def connected(self) -> None:
        self.times_connected += 1

    def orphaned(self) -> None:
        self.is_orphan = True


class Line:
    """A hub in a folder, and fronts as they come."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.path = folder / "feed.sock"
        self.maker = Maker()
        self.hub = Hub(self.loop, self.maker, self.path)
        self.lines: list[FeedLine] = []

    def front(self, number: int = 0, maker_pid: int | None = None) -> tuple[Front, FeedLine]:
        front = Front()
        line = FeedLine(self.loop, self.path, maker_pid or os.getppid(), number, front)
        self.lines.append(line)
        line.start()
        return front, line

    def close(self) -> None:
        for line in self.lines:
            line.close()
        self.hub.close()


def on_a_line(folder: Path, test: Callable[[Line], Any]) -> None:
    async def body() -> None:
        line = Line(folder)
        await line.hub.listen()
        try:
            await test(line)
        finally:
            line.close()
            await asyncio.sleep(0.01)

    run(body())


def test_a_front_that_comes_late_is_told_what_holds_now(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        first, second = line.maker.job(), line.maker.job()
        line.hub.send_proposal(None)
        line.hub.send_job(first, for_all=True)
        line.hub.send_job(second, for_all=False)
        front, _ = line.front()
        await until(lambda: front.jobs)
        assert (front.jobs, front.said) == ([(second.key, True)], [None])
        line.hub.send_no_job("no node")
        await until(lambda: front.said[-1] == "no node")

    on_a_line(tmp_path, test)


def test_each_front_hears_each_job_and_the_maker_each_front(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        fronts = [line.front(number) for number in range(3)]
        await until(lambda: all(front.times_connected for front, _ in fronts))
        for number, (_, own) in enumerate(fronts):
            assert own.send(Kind.STATE, {"serving": bool(number)})
        await until(lambda: len(line.maker.states) == 3)
        fronts[1][1].send(Kind.RETARGET)
        fronts[2][1].send(Kind.BLOCK_ACCEPTED)
        await until(lambda: len(line.maker.heard) == 2)
        assert sorted(line.maker.heard) == ["accepted", "retarget"]
        job = line.maker.job()
        line.hub.send_job(job, for_all=False)
        await until(lambda: all(front.jobs for front, _ in fronts))
        assert all(front.jobs == [(job.key, False)] for front, _ in fronts)

    on_a_line(tmp_path, test)


def test_a_line_that_broke_is_made_again_and_the_same_process_gets_the_current_job(
    tmp_path: Path,
) -> None:
    async def test(line: Line) -> None:
        front, _ = line.front(4)
        await until(lambda: front.times_connected)
        await until(lambda: line.hub._lines)
        line.hub._lines[4].abort()
        job = line.maker.job()
        line.hub.send_job(job, for_all=True)
        await until(lambda: front.jobs)
        assert front.times_connected == 2
        assert front.jobs == [(job.key, True)]
        assert line.maker.heard == ["gone 4"]

    on_a_line(tmp_path, test)


@pytest.mark.rule("A2.8")
def test_a_successor_is_given_no_job_that_its_predecessor_had(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        line.hub.send_job(line.maker.job(), for_all=True)
        line.hub._pids[0] = os.getpid() + 1
        front, _ = line.front(0)
        await until(lambda: line.maker.heard)
        assert line.maker.heard == ["successor"]
        own = line.maker.job()
        line.hub.send_job(own, for_all=False)
        await until(lambda: front.jobs)
        assert front.jobs == [(own.key, False)]

    on_a_line(tmp_path, test)


def test_a_front_whose_maker_is_gone_hears_it(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        front, _ = line.front(maker_pid=os.getppid() + 1)
        assert front.is_orphan

    on_a_line(tmp_path, test)


def test_a_front_waits_for_a_maker_that_does_not_listen_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_line, "RECONNECT_S", 0.01)

    async def test() -> None:
        line = Line(tmp_path)
        front, _ = line.front()
        await asyncio.sleep(0.05)
        await line.hub.listen()
        await until(lambda: front.times_connected)
        line.close()
        await asyncio.sleep(0.02)

    run(test())


def connected(path: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(path) as short:
        peer.connect(short)
    return peer


def test_a_front_that_does_not_read_is_dropped_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "FEED_WAITING_BYTES_MAX", 100_000)

    async def test(line: Line) -> None:
        front, _ = line.front(1)
        await until(lambda: front.times_connected)
        with connected(line.path) as stuck:
            stuck.sendall(frame_of(Kind.HELLO, {"version": 1, "number": 2, "pid": 5}))
            await until(lambda: len(line.hub._lines) == 2)
            for _ in range(500):
                line.hub.send_job(job := line.maker.job(), for_all=True)
                await until(lambda: front.jobs and front.jobs[-1][0] == job.key)
            assert line.maker.heard == ["gone 2"]
        assert len(front.jobs) == 500

    on_a_line(tmp_path, test)


@pytest.mark.parametrize(
    "spoken",
    [
        frame_of(Kind.STATE, {}),
        frame_of(Kind.HELLO, {"version": 0, "number": 0, "pid": 1}),
        frame_of(Kind.HELLO, {"version": 1, "number": "0", "pid": 1}),
        frame(Kind.HELLO, b"{"),
        b"\xff" * LENGTH_BYTES + b"GET / HTTP/1.1",
        bytes(LENGTH_BYTES) + b"x",
    ],
)
def test_who_speaks_otherwise_is_cut_off(tmp_path: Path, spoken: bytes) -> None:
    async def test(line: Line) -> None:
        with connected(line.path) as stranger:
            stranger.setblocking(False)
            stranger.sendall(spoken)
            async with asyncio.timeout(WAIT_S):
                with contextlib.suppress(ConnectionResetError):
                    assert await line.loop.sock_recv(stranger, 10) == b""
        assert line.hub._lines == {}

    on_a_line(tmp_path, test)


def test_fronts_of_another_version_are_turned_away_and_named_once(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        for number in range(3):
            with connected(line.path) as stranger:
                stranger.setblocking(False)
                hello = {"version": 0, "number": number, "pid": 1}
                # What comes behind may mean anything.
                stranger.sendall(frame_of(Kind.HELLO, hello) + frame_of(Kind.STATE, {"a": 1}))
                async with asyncio.timeout(WAIT_S):
                    with contextlib.suppress(ConnectionResetError):
                        assert await line.loop.sock_recv(stranger, 10) == b""
        assert line.hub._lines == {}
        assert line.maker.states == {}

    with capture_logs() as logs:
        on_a_line(tmp_path, test)
    assert [(one["version"], one["log_level"]) for one in logs] == [(0, "warning")]


def test_kinds_of_a_later_day_are_skipped(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        with connected(line.path) as peer:
            later = (2).to_bytes(LENGTH_BYTES, "little") + b"\xf0x"
            hello = frame_of(Kind.HELLO, {"version": 1, "number": 3, "pid": 1})
            peer.sendall(hello + later + frame_of(Kind.STATE, {"a": 1}))
            await until(lambda: line.maker.states)
        assert line.maker.states == {3: {"a": 1}}

    on_a_line(tmp_path, test)


def test_the_socket_is_for_its_owner_alone_however_deep_its_folder_lies(tmp_path: Path) -> None:
    async def test() -> None:
        deep = tmp_path / ("d" * 100) / ("e" * 100)
        deep.mkdir(parents=True)
        line = Line(deep)
        await line.hub.listen()
        assert stat.S_IMODE(line.path.stat().st_mode) == 0o600
        front, _ = line.front()
        await until(lambda: front.times_connected)
        line.close()
        await until(lambda: not line.path.exists())

    run(test())


def test_a_front_whose_addresses_were_not_heard_tells_them_anew(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        front, told = line.front(0)
        await until(lambda: len(line.maker.came) == 1)
        for body in (b"[]", b"too many"):
            told.send_bytes(Kind.ORIGINS, body)
        await until(lambda: front.times_connected == 2)
        assert line.maker.heard[:2] == ["origins []", "origins too many"]

    on_a_line(tmp_path, test)


def test_what_is_said_of_extranonces_goes_to_one_front_and_back(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        (one, told), (other, _) = line.front(0), line.front(1)
        await until(lambda: len(line.maker.came) == 2)
        assert {number for number, _ in line.maker.came} == {0, 1}
        assert line.hub.say(0, Kind.RETURNED, b"abcd")
        assert not line.hub.say(7, Kind.RETURNED, b"abcd")
        told.send_bytes(Kind.GONE, b"efgh")
        await until(lambda: one.values and line.maker.values)
        assert one.values == [(Kind.RETURNED, b"abcd")]
        assert other.values == []
        assert line.maker.values == [(0, Kind.GONE, b"efgh")]

    on_a_line(tmp_path, test)


def test_costs_and_bans_go_between_one_front_and_the_maker(tmp_path: Path) -> None:
    async def test(line: Line) -> None:
        (one, told), (other, _) = line.front(0), line.front(1)
        await until(lambda: len(line.maker.came) == 2)
        line.hub.say(0, Kind.COSTS_ELSEWHERE, b'{"fronts":2,"costs":[]}')
        line.hub.say(0, Kind.BANS, b'{"bans":[["192.0.2.1",60,1]]}')
        told.send(Kind.COSTS, {"costs": [], "bans": []})
        await until(lambda: one.bans and line.maker.costs)
        assert one.costs == [{"fronts": 2, "costs": []}]
        assert one.bans == [{"bans": [["192.0.2.1", 60, 1]]}]
        assert (other.costs, other.bans) == ([], [])
        assert line.maker.costs == [(0, {"costs": [], "bans": []})]

    on_a_line(tmp_path, test)
