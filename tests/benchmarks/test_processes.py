"""The benchmark of several fronts in a small form: real processes, every share accounted for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.load.client import Cell
from tests.benchmarks.test_share_path import _result
from tests.support.long import ONLY_LONG


@ONLY_LONG
def test_one_front_and_two_are_measured_by_the_same_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "HELD_RATIO", 0.0)
    figures = tmp_path / "figures.json"
    words = ["--cells", "20x1", "--seconds", "0.3", "--warm-up", "0.1"]
    words += ["--folder", str(tmp_path / "disk"), "--json", str(figures)]
    assert processes.main(words) == 0
    run = json.loads(figures.read_text())
    assert [cell["processes"] for cell in run["cells"]] == [1, 2]
    assert [len(cell["records"]) for cell in run["cells"]] == [1, 2]
    assert all(cell["result"]["accepted"] > 0 for cell in run["cells"])
    assert run["faults"] == []
    assert "shares by front" in capsys.readouterr().out


def _measured(count: int, accepted: int, kept: int) -> processes.Measured:
    return processes.Measured(Cell(1000, 1), count, _result(accepted), 1.0, {0: kept})


def test_a_share_missing_from_the_journals_is_a_fault() -> None:
    assert processes.faults([_measured(1, 80, 80), _measured(2, 80, 80)]) == []
    (fault,) = processes.faults([_measured(1, 80, 80), _measured(2, 80, 81)])
    assert "80 told accepted, 81 in the journals" in fault


def test_a_refused_share_and_a_lost_rate_are_faults() -> None:
    one = _measured(1, 80, 80)
    refused = replace(one, result=_result(80, refused_total={"21": 1}))
    assert "refused {'21': 1}" in processes.faults([refused])[0]
    assert "0.50 of one front" in processes.faults([one, _measured(2, 40, 40)])[0]
