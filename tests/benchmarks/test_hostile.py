"""The hostile clients in a small form: a real pool, and all kinds of them at once."""

import json
from pathlib import Path

import pytest

from benchmarks import hostile
from benchmarks.load.hostile import KINDS


def test_honest_miners_work_beside_hostile_clients_of_every_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    words = ["--honest", "20", "--rate", "5", "--hostile", str(len(KINDS))]
    words += ["--seconds", "0.5", "--warm-up", "0.2", "--settle", "1.5", "--json", str(figures)]
    words += ["--processes", "2"]
    hostile.main(words)  # its verdict is about rates, which a busy machine decides
    run = json.loads(figures.read_text())
    assert [part["name"] for part in run["parts"]] == ["alone", "own addresses", "same address"]
    for part in run["parts"]:
        assert part["rate"] > 0
        assert part["refused"] == 0
    for part in run["parts"][1:]:
        assert part["hostile"].keys() == {kind.__name__ for kind in KINDS}
        assert all(kind["begun"] for kind in part["hostile"].values())
        assert part["measures"]["slowed"] + part["measures"]["cut"] > 0
    assert "hostile" in capsys.readouterr().out


def test_a_rate_that_fell_is_a_fault() -> None:
    fine, fallen = (
        hostile.Watched("x", 1.0, ratio, 0.0, 0.0, 0.0, 0, 0, 0.0, {}, {}) for ratio in (0.95, 0.9)
    )
    assert hostile.faults([fine]) == []
    assert len(hostile.faults([fine, fallen])) == 1
