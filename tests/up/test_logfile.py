"""Logs are kept, and kept small."""

from pathlib import Path

from kench.up.logfile import LOGS_KEPT, LogFile, open_log


def test_a_log_grows_to_its_bound_and_old_ones_are_dropped(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "part.log", bytes_max=100)
    for number in range(200):
        log.write(b"line %04d\n" % number)
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["part.log", "part.log.1", "part.log.2", "part.log.3"]
    assert len(files) == LOGS_KEPT + 1
    assert all(file.stat().st_size <= 100 for file in files)
    newest_first = [files[0], *files[1:]]
    lines = [line for file in reversed(newest_first) for line in file.read_bytes().splitlines()]
    assert lines == [b"line %04d" % number for number in range(200 - len(lines), 200)]


def test_a_log_is_carried_on_after_a_restart(tmp_path: Path) -> None:
    for words in (b"first\n", b"second\n"):
        log = LogFile(tmp_path / "part.log")
        log.write(words)
        log.close()
    assert (tmp_path / "part.log").read_bytes() == b"first\nsecond\n"


def test_our_own_log_is_appended_to(tmp_path: Path) -> None:
    for words in ("first\n", "second\n"):
        with open_log(tmp_path / "up.log") as log:
            log.write(words)
    assert (tmp_path / "up.log").read_text() == "first\nsecond\n"
