"""What deploy/ says agrees with the command and the settings."""

import re
from pathlib import Path

import pytest

from kench.cli import ROOTS
from kench.pool.settings_file import read_settings

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda path: path.name)
def test_a_unit_runs_a_role_that_exists(unit: Path) -> None:
    (role,) = re.findall(r"^ExecStart=\S+/kench (\w+) --data", unit.read_text(), re.MULTILINE)
    assert role in ROOTS
    assert unit.stem == f"kench-{role}"


def test_the_example_environment_is_read_without_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DEPLOY / "kench.env.example").read_text()
    pairs = re.findall(r'^(KENCH_\w+)="?(.*?)"?$', text, re.MULTILINE)
    assert len(pairs) >= 5
    for name, value in pairs:
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert len(settings.node_urls) == len(settings.node_zmq) == 2
    assert settings.network == "main"
