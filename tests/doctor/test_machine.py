"""The machine: what is really small, shut, slow or full is told, with what mends it."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kench.doctor.disk import check_disk
from kench.doctor.finding import Finding, Level
from kench.doctor.machine import (
    ClockState,
    check_build,
    check_clock,
    check_limits,
    check_memory,
    check_queue,
    check_zone,
    read_clock,
)
from kench.pool.clock import SystemClock


def only(findings: object) -> Finding:
    """The one finding there is."""
    (finding,) = findings  # type: ignore[misc] # any iterable
    return finding


def test_too_few_open_files_are_told_with_the_number_that_is_enough() -> None:
    program = "from kench.doctor.machine import check_limits; print(next(iter(check_limits(5000))))"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000)),
    ).stdout  # fmt: skip
    assert "Level.WARN" in said
    assert "LimitNOFILE=5256" in said
    assert next(iter(check_limits(10))).level is Level.OK


def test_native_code_that_is_missing_is_bad() -> None:
    program = "from kench.doctor.machine import check_build; print(next(iter(check_build())))"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True,
        env={"KENCH_NATIVE_DISABLE": "1", "PYTHONPATH": ":".join(sys.path)},
    ).stdout  # fmt: skip
    assert "Level.BAD" in said
    assert "make build" in said
    assert only(check_build()).level is Level.OK


@pytest.mark.parametrize(
    ("whole_mib", "free_mib", "level"),
    [(16_000, 8_000, Level.OK), (16_000, 1_000, Level.WARN), (16_000, 500, Level.BAD),
     (1_000, 900, Level.WARN)],
)  # fmt: skip
def test_memory_is_judged_by_what_is_left(
    tmp_path: Path, whole_mib: int, free_mib: int, level: Level
) -> None:
    text = f"MemTotal: {whole_mib * 1024} kB\nMemAvailable: {free_mib * 1024} kB\n"
    (tmp_path / "meminfo").write_text(text)
    assert only(check_memory(tmp_path)).level is level


def test_a_short_queue_of_the_kernel_is_told_with_its_command(tmp_path: Path) -> None:
    folder = tmp_path / "sys/net/core"
    folder.mkdir(parents=True)
    (folder / "somaxconn").write_text("128\n")
    found = only(check_queue(tmp_path))
    assert found.level is Level.WARN
    assert "sysctl -w net.core.somaxconn=4096" in found.mend


def test_a_clock_that_nobody_holds_is_bad_and_one_that_is_off_by_how_far() -> None:
    for state, level in (
        (ClockState(is_synchronised=True, offset_s=-0.002), Level.OK),
        (ClockState(is_synchronised=True, offset_s=-0.2), Level.WARN),
        (ClockState(is_synchronised=True, offset_s=3.0), Level.BAD),
        (ClockState(is_synchronised=False, offset_s=0.0), Level.BAD),
    ):
        assert only(check_clock(lambda state=state: state)).level is level
    # The kernel of this machine is asked as it is.
    assert abs(read_clock().offset_s) < 10


def test_days_of_the_republic_are_known() -> None:
    assert only(check_zone(SystemClock())).level is Level.OK


def test_a_disk_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    found = {one.check: one for one in check_disk(tmp_path, SystemClock())}
    assert "a sync takes" in found["disk"].says
    assert found["room"].says.endswith("%")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_memory_keeps_nothing() -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no folder in memory here")
    found = list(check_disk(Path("/dev/shm"), SystemClock()))
    assert found[0].level is Level.BAD
    assert "tmpfs" in found[0].says


def test_a_folder_that_is_not_there_or_cannot_be_written_is_bad(tmp_path: Path) -> None:
    missing = only(check_disk(tmp_path / "none", SystemClock()))
    assert (missing.level, missing.check) == (Level.BAD, "disk")
    shut = Path("/proc/self")
    assert any("cannot be written" in one.says for one in check_disk(shut, SystemClock()))


def test_the_command_says_one_line_each_and_ends_with_the_gravest(tmp_path: Path) -> None:
    kench = shutil.which("kench", path=str(Path(sys.executable).parent))
    assert kench
    said = subprocess.run(
        [sys.executable, kench, "doctor", "--data", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    lines = said.stdout.splitlines()
    assert {line[:4].strip() for line in lines} <= {"ok", "warn", "bad"}
    # No node is named in a folder of nobody's.
    assert said.returncode == 1
    assert any(line.startswith("bad   node") and "node_urls" in line for line in lines)
    assert all(line.endswith("]") for line in lines if not line.startswith("ok"))
