"""The share path's benchmark in a small form: a real pool, a real journal, real answers."""

import json
import threading
from pathlib import Path

import pytest

from benchmarks import share_path
from benchmarks.load.client import Cell, Phases, Result, run_client
from benchmarks.load.servers import running_pool


def test_what_the_client_was_told_is_in_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    words = ["--cells", "2x4,20x1", "--seconds", "0.3", "--warm-up", "0.1"]
    words += ["--folder", str(tmp_path / "disk"), "--json", str(figures)]
    assert share_path.main(words) == 0
    run = json.loads(figures.read_text())
    assert [cell["cell"] for cell in run["cells"]] == ["2x4", "20x1"]
    assert run["faults"] == []
    assert run["accepted"] == run["journal_records"]
    assert run["accepted"] == sum(cell["pool"]["accepted_total"] for cell in run["cells"])
    assert all(
        cell["pool"]["accepted"] > 0 and cell["bare"]["accepted"] > 0 for cell in run["cells"]
    )
    assert "in the journal" in capsys.readouterr().out
    assert list((tmp_path / "disk").iterdir()) == []


def test_miners_move_to_the_next_block_and_every_answer_still_adds_up(tmp_path: Path) -> None:
    with running_pool(tmp_path) as pool:
        block = threading.Timer(0.5, pool.new_block)
        block.start()
        cell, phases = Cell(10, 4), Phases(0.1, 1.5)
        result = run_client(cell, pool.port, pool.stratum_pid, phases, pool.login)
        block.join()
        assert result.jobs >= 20  # one at login and one for the new block, on each connection
        assert set(result.refused_total) <= {"21"}  # what was under way when the tip changed
        assert sum(result.refused_total.values()) <= 40
        assert result.unanswered == 0
        assert pool.journal_records() == result.accepted_total


def _result(accepted: int, **changes: object) -> Result:
    figures: dict[str, object] = {
        "connections": 1000, "in_flight": 1, "login_s": 0.1, "seconds": 1.0, "accepted": accepted,
        "accepted_total": accepted, "refused_total": {}, "unanswered": 0, "jobs": 1000,
        "p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0, "server_cpu_s": 1.0, "client_cpu_s": 1.0,
    }  # fmt: skip
    return Result(**{**figures, **changes})  # type: ignore[arg-type]


def _outcome(pool: Result, bare: Result, journal_records: int) -> share_path.Outcome:
    measured = share_path.Measured(Cell(1000, 1), pool, bare)
    return share_path.Outcome([measured], pool.accepted_total, journal_records, 0.1)


def test_a_share_missing_from_the_journal_is_a_fault() -> None:
    assert _outcome(_result(80), _result(100), 80).faults() == []
    (fault,) = _outcome(_result(80), _result(100), 79).faults()
    assert "80 shares were answered true, the journal holds 79" in fault


def test_a_refused_or_unanswered_share_is_a_fault() -> None:
    refused = _result(80, refused_total={"21": 3})
    assert "refused by code {'21': 3}" in _outcome(refused, _result(100), 80).faults()[0]
    silent = _result(80, unanswered=2)
    assert "2 unanswered" in _outcome(silent, _result(100), 80).faults()[0]


def test_a_rate_below_the_one_held_to_is_a_fault() -> None:
    assert _outcome(_result(40), _result(100), 40).faults() == []
    assert _outcome(_result(39), _result(100), 39).faults() == [
        "1000x1: 0.39 of the bare server, not 0.4"
    ]
