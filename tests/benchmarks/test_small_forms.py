"""The smaller benchmarks in their smallest form: they run, and their figures can be read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from benchmarks import __main__ as everything
from benchmarks import (
    big_block,
    books,
    cabinet,
    fence,
    first_share,
    found_block,
    jetstream,
    journal_nats,
    memory,
    native_check,
    proofs,
    revocation,
    settling,
    share_stream,
    split,
    standby,
    statistics,
    steady,
    template_to_job,
    totals,
)
from benchmarks.load.client import Result
from kench.pool.database import Role, open_engine
from tests.support.long import ONLY_LONG
from tests.support.nats import program


def test_native_check_measures_both_implementations(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    native_check.main(["--seconds", "0.02", "--json", str(figures)])
    rows = json.loads(figures.read_text())
    assert [row["branches"] for row in rows] == [0, 12]
    assert all(0 < row["compiled_ns"] < row["twin_ns"] for row in rows)


def test_template_to_job_measures_each_step(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    template_to_job.main(["--rounds", "2", "--json", str(figures)])
    steps = json.loads(figures.read_text())
    assert list(steps) == ["decode_ms", "parse_ms", "make_ms", "check_ms", "all_ms", "loop_late_ms"]
    assert all(step["p99_ms"] >= step["p50_ms"] for step in steps.values())


def test_split_measures_each_kind_of_work(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    split.main(["--participants", "1000", "--rounds", "1", "--json", str(figures)])
    kinds = json.loads(figures.read_text())
    assert len(kinds) == 4
    assert all(kind["cpu_s"] > 0 for kind in kinds.values())


def test_books_takes_a_block_through_each_transaction(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--participants", "200", "--rounds", "1", "--folder", str(tmp_path)]
    books.main([*words, "--json", str(figures)])
    found = json.loads(figures.read_text())
    assert list(found["cpu_s"]) == ["book and pend", "post", "make a lot", "settle"]
    assert found["tables"]["block_credits"]["rows"] == 202


def test_cabinet_asks_for_pages_and_keeps_some_open(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--participants", "30", "--workers", "300", "--days", "1", "--rate", "40"]
    words += ["--seconds", "1", "--viewers", "15", "--live-seconds", "0.3"]
    cabinet.main([*words, "--folder", str(tmp_path), "--json", str(figures)])
    found = json.loads(figures.read_text())
    assert len(found["pages"]) == 4
    assert sum(page["requests"] for page in found["pages"].values()) == 40
    assert not sum(page["faults"] for page in found["pages"].values())
    assert found["viewers"] == 15
    assert found["heard_max_ms"] > 0


def test_proofs_measures_tree_proof_and_shares(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--participants", "300", "--shares", "5000", "--json", str(figures)]
    proofs.main(words)
    found = json.loads(figures.read_text())
    assert all(found[name] > 0 for name in ("leaves_s", "root_s", "check_s", "check_shares_s"))


def test_totals_count_each_record_in_memory_and_from_the_journal(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--records", "5000", "--workers", "100", "--folder", str(tmp_path)]
    totals.main([*words, "--json", str(figures)])
    assert set(json.loads(figures.read_text())) == {"in memory", "read and checked"}


def test_found_block_sees_whole_blocks_reach_the_node(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--rounds", "2", "--folder", str(tmp_path / "disk"), "--json", str(figures)]
    found_block.main(words)
    run = json.loads(figures.read_text())
    assert run["block_bytes"] > 500_000
    assert all(
        0 < first <= last for first, last in zip(run["first_ms"], run["last_ms"], strict=True)
    )
    assert len(run["answered_ms"]) == 2


def test_revocation_closes_those_who_came_by_the_token_and_no_others(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--connections", "8", "--rounds", "1", "--folder", str(tmp_path / "disk")]
    revocation.main([*words, "--json", str(figures)])
    run = json.loads(figures.read_text())
    assert (run["left_open"], run["closed_wrongly"]) == (0, 0)
    assert 0 < run["first_ms"][0] <= run["last_ms"][0]


def test_a_slow_template_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_to_job, "HELD_MS", 0.0)
    assert template_to_job.main(["--rounds", "2"]) == 1


@ONLY_LONG
def test_an_open_page_shows_the_first_share(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--rounds", "1", "--folder", str(tmp_path / "disk"), "--json", str(figures)]
    first_share.main(words)
    (seconds,) = json.loads(figures.read_text())["seconds"]
    assert 0 < seconds < first_share.GIVEN_UP_S


def test_statistics_measures_each_kind_of_work(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--workers", "300", "--seconds", "6", "--folder", str(tmp_path)]
    statistics.main([*words, "--json", str(figures)])
    found = json.loads(figures.read_text())
    works = found["works"]
    assert found["tables"]["worker_ten_minutes"]["rows"] >= 300
    assert all(work["times"] > 0 and work["keeper_s"] > 0 for work in works.values())
    assert works["shares"]["times"] == 5


@ONLY_LONG
def test_memory_is_told_of_each_process_at_rest_and_of_what_fills_it(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--sessions", "250,400", "--folder", str(tmp_path / "disk"), "--json", str(figures)]
    memory.main(words)
    found = json.loads(figures.read_text())
    assert {"front", "stratum", "settle", "sell", "cabinet", "tax", "gather"} <= set(found["roles"])
    assert all(held > 1 << 20 for held in found["roles"].values())
    assert [one["sessions"] for one in found["levels"][:-1]] == [200, 250, 400]
    assert found["levels"][-1]["workers"] > 900
    assert found["job_bytes"] > 1000
    # Half of the slots at most are in use, of 16 bytes each.
    assert 32 <= found["hash_bytes"] < 128


@ONLY_LONG
def test_a_share_that_waits_for_nats_is_gathered(tmp_path: Path) -> None:
    program()
    figures = tmp_path / "figures.json"
    words = ["--servers", "0,1", "--cell", "5x1", "--seconds", "0.3", "--warm-up", "0.1"]
    words += ["--folder", str(tmp_path / "disk"), "--json", str(figures)]
    assert share_stream.main(words) == 0
    alone, one = json.loads(figures.read_text())["measured"]
    assert alone["gathered"] is None
    assert one["gathered"] == one["kept"] == one["result"]["accepted_total"] > 0


@ONLY_LONG
def test_a_full_block_found_in_a_region_reaches_the_node_whole(tmp_path: Path) -> None:
    program()
    figures = tmp_path / "figures.json"
    words = ["--rounds", "1", "--replicas", "1", "--folder", str(tmp_path / "disk")]
    big_block.main([*words, "--json", str(figures)])
    (one,) = json.loads(figures.read_text())["measured"]
    assert one["block_bytes"] >= big_block.BODY_BYTES
    assert one["block_ms"][0] > 0


def test_a_share_that_was_not_gathered_and_a_block_that_is_late_are_faults() -> None:
    result = Result(4, 1, 0.1, 1.0, 90, 100, {}, 0, 1, 5.0, 9.0, 9.0, 0.1, 0.1)
    assert share_stream.Measured(3, result, 0.1, 100, 100).faults() == []
    (lost,) = share_stream.Measured(3, result, 0.1, 100, 99).faults()
    assert lost == "3 servers: 100 told accepted, 99 are there"
    fine = big_block.Measured(3, [1.0], [100.0], [1.0], big_block.BODY_BYTES)
    assert big_block.faults([fine]) == []
    assert len(big_block.faults([replace(fine, block_ms=[9000.0], block_bytes=9)])) == 2


def test_a_benchmark_that_does_not_exist_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "shares"])
    with pytest.raises(SystemExit, match="2"):
        everything.main()
    assert "no benchmark is called shares" in capsys.readouterr().err


def test_every_benchmark_is_listed() -> None:
    files = {path.stem for path in Path(everything.__file__).parent.glob("*.py")}
    assert files - {"__init__", "__main__", "ending"} == set(everything.BENCHMARKS)


def test_standby_measures_what_it_costs_a_share(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    standby.main(["--batches", "20", "--no-switch", "--json", str(figures)])
    costs = json.loads(figures.read_text())["costs"]
    assert [one["how"] for one in costs[::3]] == ["alone", "async", "sync"]
    assert all(0 < one["p50_ms"] <= one["p99_ms"] for one in costs)


def test_journal_nats_measures_what_the_stream_costs_and_how_fast_it_catches_up(
    tmp_path: Path,
) -> None:
    figures = tmp_path / "figures.json"
    words = ["--batches", "20", "--behind", "5000", "--servers", "1", "--json", str(figures)]
    assert journal_nats.main(words) == 0
    found = json.loads(figures.read_text())
    assert [one["servers"] for one in found["costs"]] == [0, 0, 0, 1, 1, 1]
    assert all(one["gathered_per_s"] > 0 for one in found["caught"])


def test_settling_books_each_record_twice(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--records", "3000", "--workers", "200", "--folder", str(tmp_path / "disk")]
    settling.main([*words, "--json", str(figures)])
    found = json.loads(figures.read_text())
    assert [turn["records"] for turn in found["turns"]] == [3000, 3000]
    assert found["tables"]["totals"]["rows"] == 200


def test_fence_measures_each_form_and_leaves_the_trigger_on(tmp_path: Path, database: str) -> None:
    figures = tmp_path / "figures.json"
    words = ["--transactions", "20", "--rounds", "2", "--url", database]
    fence.main([*words, "--json", str(figures)])
    found = json.loads(figures.read_text())
    assert {name: len(costs) for name, costs in found["costs"].items()} == {
        "neither": 2, "question": 2, "question and trigger": 2,
    }  # fmt: skip
    engine = open_engine(database, Role.SETTLE, application_name="test")
    with pytest.raises(DBAPIError, match="not held by this transaction"), engine.begin() as db:
        db.execute(fence.NOTHING)
    engine.dispose()


def test_steady_measures_a_front_without_shares_and_with_few(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--connections", "40", "--rates", "5", "--seconds", "1"]
    steady.main([*words, "--folder", str(tmp_path / "disk"), "--json", str(figures)])
    found = json.loads(figures.read_text())
    assert [round(level["shares_per_s"], -2) for level in found["levels"]] == [0, 0, 200]
    assert [level["connections"] for level in found["levels"]] == [0, 40, 40]
    assert not sum(level["refused"] for level in found["levels"])


def test_jetstream_acknowledges_batches_and_delivers_jobs(tmp_path: Path) -> None:
    program()  # skips where there is no nats-server
    figures = tmp_path / "figures.json"
    words = ["--batches", "5", "--folder", str(tmp_path / "disk"), "--json", str(figures)]
    jetstream.main(words)
    found = json.loads(figures.read_text())
    assert [one["replicas"] for one in found["acks"][::3]] == [1, 3]
    assert all(one["stored_bytes"] > 72 * one["size"] for one in found["acks"])
    assert [one["fronts"] for one in found["deliveries"]] == [1, 4, 16]
