"""What every root does alike: one line for a fault, its exit status, JSON lines for logs."""

import io
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import structlog

from kench.native import NativeMissingError
from kench.pool.errors import KenchError
from kench.pool.roots import (
    EXIT_TERMINATED,
    announce,
    command,
    run_root,
    settings_of,
    start_logging,
)


@pytest.mark.parametrize("fault", [KenchError, NativeMissingError])
def test_a_fault_is_one_line_and_status_1(
    fault: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise fault("the port is\n  \x1b[2J\x9btaken")

    with pytest.raises(SystemExit) as ended:
        run_root("stratum", main)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "kench stratum: the port is ?[2J?taken\n"


def test_a_command_that_is_told_to_end_takes_away_what_is_half_made(tmp_path: Path) -> None:
    program = (
        "import tempfile, time; from kench.pool.roots import *; end_tidily(); "
        f"folder = tempfile.TemporaryDirectory(dir={str(tmp_path)!r})\n"
        "with folder: announce('backup', 'half way'); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kench backup: half way\n"
        assert list(tmp_path.iterdir())
        process.terminate()
        assert process.wait(60) == EXIT_TERMINATED
    assert not list(tmp_path.iterdir())


def test_a_mistake_of_ours_is_not_hidden() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_root("stratum", main)


@pytest.mark.parametrize(("result", "status"), [(None, 0), (0, 0), (3, 3)])
def test_a_roots_result_is_the_exit_status(result: int | None, status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        run_root("verify", lambda: result)
    assert ended.value.code == status


def test_ctrl_c_ends_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_root("verify", main)
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""


def test_arguments_named_as_settings_override_them() -> None:
    parser = command("stratum", "Serve.", example="kench stratum")
    parser.add_argument("--stratum-port", type=int)
    parser.add_argument("--loud", action="store_true")
    settings = settings_of(parser.parse_args(["--stratum-port", "7", "--loud"]))
    assert settings.stratum_port == 7
    assert settings.metrics_port == 9333


def test_announcements_are_what_kench_up_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    announce("stratum", "ready")
    assert capsys.readouterr().out == "kench stratum: ready\n"


def test_logs_are_json_lines_with_the_role_from_any_thread_and_any_library() -> None:
    stream = io.StringIO()
    log = start_logging("settle", stream)
    log.info("booked", block="aa")
    thread = threading.Thread(target=lambda: structlog.get_logger().warning("late"))
    thread.start()
    thread.join()
    logging.getLogger("some.library").error("broke: %s", "pipe")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["booked", "late", "broke: pipe"]
    assert {line["role"] for line in lines} == {"settle"}
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[0]["block"] == "aa"


def test_a_fault_in_the_log_says_where_it_was_and_no_value() -> None:
    """Neither of our own logging nor of a library that tells of our fault, as a web server does."""

    def broken(secret: str) -> None:
        raise ValueError("broken")

    stream = io.StringIO()
    log = start_logging("cabinet", stream)
    try:
        broken("2f" * 16)
    except ValueError:
        log.exception("ours")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    assert "2f2f" not in stream.getvalue()
    ours, theirs = [json.loads(line) for line in stream.getvalue().splitlines()]
    for line in (ours, theirs):
        (fault,) = line["exception"]
        assert (fault["exc_type"], fault["frames"][-1]["name"]) == ("ValueError", "broken")


def test_what_ends_a_thread_or_the_process_is_a_line_of_the_log_whatever_it_says() -> None:
    program = """
import threading
from kench.pool.roots import run_root, start_logging

def fault():
    secret = "a local value"
    raise ValueError('x\\n{"role": "settle", "event": "forged"}\\n\\x1b[2J')

def main():
    start_logging("settle")
    thread = threading.Thread(target=fault)
    thread.start()
    thread.join()
    fault()

run_root("settle", main)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [one["event"] for one in told] == [
        "a thread ended by a fault", "the process ends by a fault"
    ]  # fmt: skip
    assert {one["level"] for one in told} == {"critical"}
    assert "\x1b" not in done.stderr
    assert "a local value" not in done.stderr
    assert all(one["exception"][0]["exc_type"] == "ValueError" for one in told)
