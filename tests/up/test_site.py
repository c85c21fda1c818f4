"""`kench up` as people run it: one ready line, parts that come back, an end in time, once more.

These tests run the real command with the real parts; the CPU miner mines real regtest blocks.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.test_resume import Rig, come_back
from tests.support.pool import EASY_SHARES
from tests.support.site import ANY_PORTS, KENCH, WAIT_S, RunningUp
from tests.support.waiting import await_that

STOP_S = 30.0
"""It takes four seconds; other tests share the machine."""
ROLES = {"node", "venue", "screening", "settle", "sell", "stratum", "cabinet", "mine"}
DEMO_ORDER = "kench: no orders yet, so two officers of nobody's signed one for the demo"


def _kill_and_await_successor(up: RunningUp, role: str) -> None:
    old = up.parts()[role]
    old.kill()

    def has_successor() -> bool:
        # One look for both questions: in between, the killed one may have gone.
        now = up.parts().get(role)
        return now is not None and now.pid != old.pid

    await_that(has_successor)


def _processes_of(data: Path) -> list[str]:
    """Command lines of all processes that work in the folder, the database's included."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(data) in line:
            found.append(line)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningUp]]:
    started: list[RunningUp] = []

    def start_one(*flags: str) -> RunningUp:
        started.append(RunningUp(tmp_path / "data", *flags))
        return started[-1]

    yield start_one
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.wait(WAIT_S)


def test_it_serves_stops_in_time_and_carries_on_also_after_it_was_killed_outright(
    start: Callable[..., RunningUp],
) -> None:
    first = start()
    first.await_ready()
    assert set(first.parts()) >= {"node", "settle", "stratum"}
    with urllib.request.urlopen(f"{first.record['metrics_url']}/healthz", timeout=5) as answer:
        assert answer.status == 200
    assert first.record["cabinet_url"] == first.await_cabinet()
    with urllib.request.urlopen(first.record["cabinet_url"], timeout=5) as answer:
        assert answer.status == 200
    (door,) = (line for line in first.words if line.startswith("kench: officers with a .p12"))
    assert door.rpartition(" ")[2].startswith("https://127.0.0.1:")
    address = first.record["stratum_url"].removeprefix("stratum+tcp://").rsplit(":", 1)
    socket.create_connection((address[0], int(address[1])), timeout=5).close()
    await_that(lambda: first.accepted() > 20)
    token = (first.data / "run" / "demo.json").read_text()
    assert (first.data / "run" / "demo.json").stat().st_mode & 0o077 == 0

    took_s = first.stop()
    assert first.process.returncode == 0
    assert took_s < STOP_S
    assert first.said == [DEMO_ORDER, "kench: ready", "kench: stopped"]
    assert _processes_of(first.data) == []
    before = first.accepted()
    assert before > 20

    second = start()
    second.await_ready(times=2)
    await_that(lambda: second.accepted() > before and second.parts().keys() >= ROLES)
    assert (second.data / "run" / "demo.json").read_text() == token
    _kill_outright(second)

    third = start()
    third.await_ready(times=3)
    assert third.stop(signal.SIGINT) < STOP_S
    assert third.process.returncode == 0
    assert _processes_of(third.data) == []


def _kill_outright(up: RunningUp) -> None:
    """Kill the command, and see that it leaves no part behind."""
    parts = list(up.parts().values())
    up.process.kill()
    up.process.wait()
    _, alive = psutil.wait_procs(parts, timeout=STOP_S)
    assert alive == []


def test_each_part_that_is_killed_comes_back(start: Callable[..., RunningUp]) -> None:
    up = start()
    up.await_ready()
    await_that(lambda: up.parts().keys() >= ROLES)
    for role in ("mine", "settle", "sell", "venue", "screening", "node", "stratum"):
        _kill_and_await_successor(up, role)
    before = up.accepted()
    await_that(lambda: up.accepted() > before + 20)
    assert up.stop() < STOP_S
    restarts = [line for line in up.said if "starting it again" in line]
    assert len(restarts) >= 7
    assert up.said.count("kench: ready") == 1


def test_a_second_one_in_the_folder_is_refused_and_a_killed_database_comes_back(
    start: Callable[..., RunningUp],
) -> None:
    up = start("--no-miner")
    up.await_ready()
    second = _run("up", "--data", str(up.data), *ANY_PORTS)
    assert second.returncode == 1
    assert second.stderr.startswith("kench up: another `kench up`")
    assert second.stderr.count("\n") == 1

    pid_file = up.data / "postgres" / "cluster" / "postmaster.pid"
    old = int(pid_file.read_text().split()[0])
    os.kill(old, signal.SIGKILL)

    def is_new() -> bool:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            return int(pid_file.read_text().split()[0]) != old
        return False

    await_that(is_new)
    assert up.stop() < STOP_S


def test_a_reload_under_it_brings_new_settings_and_fronts_and_keeps_sessions(
    tmp_path: Path, start: Callable[..., RunningUp]
) -> None:
    config = tmp_path / "data" / "kench.toml"
    config.parent.mkdir()
    easy = "".join(f"{name.removeprefix('KENCH_').lower()} = {value}\n"
                   for name, value in EASY_SHARES.items())  # fmt: skip
    config.write_text(f"{easy}drain_s = 1\nstratum_processes = 1\n")
    up = start("--no-miner")
    up.await_ready()
    added = json.loads(_run("participant", "add", "rigs", "--json", "--data", str(up.data)).stdout)
    login = f"{added['id']}.rig", str(added["token"])
    port = int(up.record["stratum_url"].rpartition(":")[2])
    rig = Rig(port, login)
    share = rig.share(1)
    assert rig.submit(share) is True
    stratum = up.parts()["stratum"].pid

    config.write_text(f"{easy}drain_s = 1\nstratum_processes = 2\n")
    done = _run("reload", "--data", str(up.data))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "reloaded"
    assert rig.is_closed()
    again = come_back(port, login, rig)
    assert again.extranonce1 == rig.extranonce1
    assert again.submit(share) in {21, 22}
    assert again.submit(again.share(2)) is True
    with urllib.request.urlopen(f"{up.record['metrics_url']}/status", timeout=5) as answer:
        fronts = json.load(answer)["fronts"]
    assert sorted(fronts) == ["1", "2"]
    assert up.parts()["stratum"].pid == stratum
    again.close()
    assert up.stop() < STOP_S
    assert up.said == [DEMO_ORDER, "kench: ready", "kench: stopped"]


def test_a_taken_port_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = _run("up", "--data", str(tmp_path / "data"), "--stratum-port", port)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--stratum-port" in done.stderr
    assert not (tmp_path / "data" / "postgres").exists()


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = _run("up", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--data" in done.stderr


def test_without_compiled_code_it_refuses_in_one_line(tmp_path: Path) -> None:
    done = _run("up", "--data", str(tmp_path), KENCH_NATIVE_DISABLE="1")
    assert done.returncode == 1
    assert done.stderr == "kench up: native code is not compiled: run: make build\n"


def _run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KENCH, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
