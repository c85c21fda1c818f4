"""The `kench` command: it starts fast, names its roles, and runs nothing else."""

import os
import subprocess
import sys

import pytest

from kench.cli import ROOTS


def _kench(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kench", *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_help_names_every_role_and_has_an_example() -> None:
    done = _kench("--help")
    assert done.returncode == 0
    assert "kench up --data ./data" in done.stdout
    assert all(f"  {role} " in done.stdout for role in ROOTS)


@pytest.mark.parametrize("words", [[], ["dig"], ["--dig"]])
def test_an_unknown_role_is_a_usage_fault(words: list[str]) -> None:
    done = _kench(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_command_imports_nothing_heavy() -> None:
    program = "import sys, kench.cli; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"numpy", "sqlalchemy", "twisted", "pydantic"} & set(done.stdout.split())


@pytest.mark.parametrize("role", ROOTS)
def test_every_command_explains_itself_with_an_example(role: str) -> None:
    done = _kench(role, "--help")
    assert done.returncode == 0
    assert f"kench {role}" in done.stdout.partition("\nexample:\n")[2]


def test_a_part_whose_kench_up_is_gone_does_not_start() -> None:
    done = _kench("node", "--help", KENCH_UP_PID="1")
    assert done.returncode == 1
    assert "is gone" in done.stderr
