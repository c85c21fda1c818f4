"""What a running `kench up` tells others, and that a dead one tells nothing."""

import os
import subprocess
import sys
from pathlib import Path

from kench.pool.running import Running, forget_running, read_running, write_running


def _record(pid: int) -> Running:
    return Running(pid, "http://127.0.0.1:1?cookie=/c", None, "stratum+tcp://h:2", "http://h:3")


def test_a_record_of_a_living_process_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_running(tmp_path, _record(os.getpid()))
    assert read_running(tmp_path) == _record(os.getpid())
    forget_running(tmp_path)
    assert read_running(tmp_path) is None
    forget_running(tmp_path)


def test_a_record_of_a_dead_process_counts_as_none(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    write_running(tmp_path, _record(gone.pid))
    assert read_running(tmp_path) is None


def test_a_spoilt_record_counts_as_none(tmp_path: Path) -> None:
    for text in ("", "[]", "{", '{"pid": 1}'):
        (tmp_path / "up.json").write_text(text)
        assert read_running(tmp_path) is None
