"""A part as a process: its words are kept, its end is seen, and it never outlives us."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kench.up.part import Part, command_line
from tests.support.waiting import await_that

WAIT_S = 20.0


def _node(tmp_path: Path) -> Part:
    flags = ["--data", str(tmp_path), "--rpc-port", "0", "--zmq-port", "0"]
    return Part("node", flags, dict(os.environ), tmp_path / "node.log")


def test_a_part_says_its_role_gets_ready_and_ends_when_asked(tmp_path: Path) -> None:
    part = _node(tmp_path)
    part.start()
    try:
        assert part.ready.wait(WAIT_S)
        assert part.pid is not None
        words = psutil.Process(part.pid).cmdline()
        assert Path(words[1]).name == "kench"
        assert words[2] == "node"
        assert os.getsid(part.pid) == part.pid, "Ctrl-C would reach it"
    finally:
        assert part.stop(WAIT_S)
    assert part.pid is None
    assert b"kench node: ready" in (tmp_path / "node.log").read_bytes()


def test_a_part_that_cannot_start_leaves_its_reason(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("no folder")
    part = _node(tmp_path)
    part.start()
    await_that(lambda: part.poll() is not None)
    assert part.poll() == 1
    assert str(tmp_path) in part.last_words()
    assert part.stop(0)


def test_a_part_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    part = _node(tmp_path)
    part.start()
    assert part.ready.wait(WAIT_S)
    assert part.pid is not None
    os.kill(part.pid, signal.SIGSTOP)
    assert not part.stop(0.2)
    assert part.pid is None


def test_a_part_ends_when_kench_up_is_killed(tmp_path: Path) -> None:
    """The parent here stands for `kench up`: it starts a node as a part and is then killed."""
    program = (
        "import os, sys, time; from pathlib import Path; from kench.up.part import Part\n"
        "data = Path(sys.argv[1])\n"
        "flags = ['--data', str(data), '--rpc-port', '0', '--zmq-port', '0']\n"
        "part = Part('node', flags, dict(os.environ), data / 'node.log')\n"
        "part.start(); part.ready.wait(20); print(part.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    node = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    gone, alive = psutil.wait_procs([node], timeout=WAIT_S)
    assert (len(gone), alive) == (1, [])


@pytest.mark.parametrize("role", ["stratum", "settle"])
def test_the_command_line_runs_the_installed_command(role: str) -> None:
    words = command_line(role, ["--data", "x"])
    assert words[0] == sys.executable
    assert words[-3:] == [role, "--data", "x"]
