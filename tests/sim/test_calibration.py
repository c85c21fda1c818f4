"""Costs are made of figures that benchmarks left, and a benchmark without any is named."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from kench.sim import __main__ as root
from kench.sim import measuring
from kench.sim.calibration import costs_of
from kench.sim.costs import CostsError

FIGURES = {
    "share_path": {"cells": [{"cell": "1000x1", "pool": {
        "accepted_per_s": 60_000, "server_cpu_s": 2.0, "seconds": 4.0, "cpu_s_per_million": 9.0}}]},
    "steady": {"levels": [
        {"front_cpu": 0.01, "maker_cpu": 0.01},
        {"front_cpu": 0.02, "maker_cpu": 0.02, "connections": 5000},
        {"connections": 5000, "shares_per_s": 1000.0, "front_cpu": 0.12, "p50_ms": 0.2,
         "p99_ms": 4.0},
    ]},
    "standby": {"costs": [{"how": "alone", "size": 1, "p50_ms": 0.2},
                          {"how": "alone", "size": 1001, "p50_ms": 0.4},
                          {"how": "sync", "size": 1, "p50_ms": 9.0}]},
    "fan_out": {"connections": 9000, "shares_per_s": 1000.0,
                "pool": [{"spread_ms": 90.0, "p99_ms": 10.0, "first_ms": 8.0}]},
    "login_storm": {"connections": 9000, "pool": [{"cpu_us_per_login": 70, "logins_per_s": 9e3}]},
    "reload": {"events": [{}, {"unserved_p99_s": 1.0, "lost": 1000}]},
    "statistics": {"workers": 1000, "bytes": 2_000_000, "tables": {
        "worker_live": {"rows": 10, "bytes": 4000}},
        "works": {"shares": {"keeper_s": 1.0, "postgres_s": 1.0, "percent": 10.0}}},
    "settling": {"turns": [{"bytes": 5}, {"bytes": 7, "settle_cpu_s": 1.0, "postgres_cpu_s": 0.5,
                                          "records": 100}], "tables": {}},
    "books": {"participants": 10, "rounds": 2, "cpu_s": {"all": 0.1},
              "tables": {"transfers": {"rows": 40, "bytes": 20_000}}},
    "jetstream": {"acks": [
        {"replicas": 1, "size": 1, "p50_ms": 0.1, "server_bytes": 1},
        {"replicas": 3, "size": 1, "p50_ms": 0.5, "server_cpu_us": 400, "stored_bytes": 100,
         "server_bytes": 9},
        {"replicas": 3, "size": 101, "p50_ms": 1.5, "server_cpu_us": 500, "stored_bytes": 7300,
         "server_bytes": 3}],
        "deliveries": [{"fronts": 1, "p50_ms": 0.1}]},
    "memory": {"roles": {"front": 70}, "postgres_processes": 25, "postgres_bytes": 2,
               "job_bytes": 5.0, "hash_bytes": 64.0, "levels": [
                   {"sessions": 200, "workers": 1, "fronts_bytes": 1000, "maker_bytes": 100},
                   {"sessions": 1000, "workers": 1, "fronts_bytes": 9999, "maker_bytes": 999},
                   {"sessions": 5200, "workers": 1, "fronts_bytes": 16_000, "maker_bytes": 5100},
                   {"sessions": 5300, "workers": 101, "fronts_bytes": 16_500,
                    "maker_bytes": 9999}]},
}  # fmt: skip


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    for name, figure in FIGURES.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(figure))
    return tmp_path


def test_memory_is_of_what_was_gained_and_lines_go_through_what_was_measured(
    figures: Path,
) -> None:
    costs = costs_of(figures, "2026-11-23", 0.25)
    assert (costs.day, costs.load) == ("2026-11-23", 0.25)
    memory = costs.memory
    # 15,000 bytes of 5,000 sessions; a hundred more of their own workers took 500 in all.
    assert memory.session == 3.0
    assert memory.worker == 2.0
    assert memory.maker_session == 1.0
    assert memory.maker_worker == 2000.0
    assert (memory.settle_chunk, memory.nats_server) == (7.0, 9.0)
    assert [one["bytes"] for one in costs.checks.sessions] == [9999, 16_000]
    assert costs.front.commit_s.at(1) == pytest.approx(0.0002)
    assert costs.ack_s.at(101) == pytest.approx(0.0015)
    assert costs.front.cpu == ((1000.0, pytest.approx(0.1)), (60_000, 0.5))
    assert costs.rows["worker_live"] == 400.0


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_figures_that_are_missing_or_of_another_version_are_named(figures: Path, name: str) -> None:
    path = figures / f"{name}.json"
    path.write_text('{"turns": []}')
    with pytest.raises(CostsError, match="not those of this version"):
        costs_of(figures, "2026-11-23", 0.0)
    path.unlink()
    with pytest.raises(CostsError, match=rf"python -m benchmarks\.{name} --json"):
        costs_of(figures, "2026-11-23", 0.0)


def test_all_that_is_measured_is_a_benchmark() -> None:
    assert set(measuring.RUNS) == set(FIGURES) <= set(benchmarks.BENCHMARKS)


ONE = """
import json, sys
assert sys.argv[1:3] == ["--short", "1"], sys.argv
print("not as it must be: too slow")
open(sys.argv[sys.argv.index("--json") + 1], "w").write(json.dumps({"is": "here"}))
sys.exit(1)
"""


def tree(root: Path, **texts: str) -> Path:
    (root / "benchmarks").mkdir()
    (root / "benchmarks/__init__.py").touch()
    for name, text in texts.items():
        (root / f"benchmarks/{name}.py").write_text(text)
    return root


def test_benchmarks_are_run_one_after_the_other_and_what_worries_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "RUNS", {"one": "--short 1", "two": ""})
    source, said = tree(tmp_path, one=ONE, two="raise SystemExit('no disk')"), list[str]()
    with pytest.raises(CostsError, match=r"benchmarks\.two has no figures: no disk"):
        measuring.measure(tmp_path / "figures", said.append, source)
    assert json.loads((tmp_path / "figures/one.json").read_text()) == {"is": "here"}
    assert said[0] == "one: not as it must be: too slow"
    assert said[1].startswith("1 of 2: one, ")


def test_without_the_source_it_says_where_to_measure(tmp_path: Path) -> None:
    with pytest.raises(CostsError, match="checkout of the source"):
        measuring.measure(tmp_path, lambda _: None, tmp_path)


def test_calibrate_writes_costs_that_a_simulation_reads(
    figures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(root, "measure", lambda _folder, tell: tell("measured"))
    costs = tmp_path / "costs.json"
    words = ["kench sim", "--calibrate", "--costs", str(costs), "--figures", str(figures)]
    monkeypatch.setattr(sys, "argv", words)
    assert root.main() == 0
    assert "measured" in capsys.readouterr().err
    assert json.loads(costs.read_text())["memory"]["session"] == 3.0


def test_a_cost_that_no_row_has_is_named(figures: Path) -> None:
    costs = costs_of(figures, "2026-11-23", 0.0)
    with pytest.raises(CostsError, match="say nothing of a row of worker_hours"):
        costs.row_bytes("worker_hours")
