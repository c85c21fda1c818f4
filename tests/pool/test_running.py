"""What a running `kench up` tells others, and that a dead one tells nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kench.pool.running import (
    NODES_NAME,
    Running,
    forget_running,
    keep_node_urls,
    node_urls_of,
    read_node_urls,
    read_running,
    write_running,
)
from kench.pool.settings_file import read_settings


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


def test_urls_of_nodes_of_others_are_kept_for_the_owner_alone(tmp_path: Path) -> None:
    urls = ["http://user:word@127.0.0.1:8332", "http://127.0.0.1:8333?cookie=/c"]
    keep_node_urls(tmp_path, urls)
    assert read_node_urls(tmp_path) == urls
    assert (tmp_path / NODES_NAME).stat().st_mode & 0o777 == 0o600
    keep_node_urls(tmp_path, [])
    assert read_node_urls(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}'])
def test_an_unreadable_list_of_nodes_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / NODES_NAME).write_text(content)
    assert read_node_urls(tmp_path) == []


def test_nodes_of_the_settings_come_before_those_kept_and_those_before_the_embedded_one(
    tmp_path: Path,
) -> None:
    settings = read_settings(data_dir=tmp_path)
    settings.run_directory.mkdir()
    assert node_urls_of(settings) == []
    write_running(settings.run_directory, _record(os.getpid()))
    assert node_urls_of(settings) == ["http://127.0.0.1:1?cookie=/c"]
    keep_node_urls(settings.run_directory, ["http://u:p@kept:1"])
    assert node_urls_of(settings) == ["http://u:p@kept:1"]
    named = read_settings(data_dir=tmp_path, node_urls="http://u:p@named:1")
    assert node_urls_of(named) == ["http://u:p@named:1"]
