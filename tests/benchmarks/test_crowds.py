"""New jobs and logins in their small forms: a real pool, the crowd, and the bare server beside."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import fan_out, login_storm
from benchmarks.load.client import LoadError
from benchmarks.load.crowd import running_crowd
from benchmarks.load.process_memory import resident_bytes
from benchmarks.load.servers import running_bare_pool
from tests.support.long import ONLY_LONG


def test_a_new_block_reaches_every_connection_of_both_servers(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--connections", "20", "--rounds", "2", "--steady", "5", "--rate", "50"]
    words += ["--processes", "2"]
    words += ["--folder", str(tmp_path / "disk"), "--json", str(figures)]
    assert fan_out.main(words) == 0
    run = json.loads(figures.read_text())
    for server in ("pool", "bare"):
        assert [one["received"] for one in run[server]] == [20, 20]
        assert all(one["first_ms"] > 0 and one["spread_ms"] >= 0 for one in run[server])
    assert run["faults"] == []
    assert list((tmp_path / "disk").iterdir()) == []


@ONLY_LONG
def test_a_storm_logs_all_in_and_shares_are_answered_meanwhile(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["--connections", "50", "--rounds", "2", "--steady", "4", "--rate", "500"]
    words += ["--folder", str(tmp_path / "disk"), "--json", str(figures)]
    assert login_storm.main(words) == 0
    run = json.loads(figures.read_text())
    for server in ("pool", "bare"):
        assert len(run[server]) == 2
        assert all(one["logins_per_s"] > 0 for one in run[server])
        assert all(0 < one["login_p50_ms"] <= one["login_p99_ms"] for one in run[server])
    assert sum(one["answered"] for one in run["busy_pool"]) > 0
    assert sum(one["answered"] for one in run["pool"]) == 0
    assert run["faults"] == []


def test_the_crowd_sees_each_job_once_and_counts_its_answers() -> None:
    with (
        running_bare_pool() as bare,
        running_crowd(bare.port, bare.pid, 10) as crowd,
    ):
        seen = crowd.login(10, 3)
        assert (seen.connections, seen.logins, seen.jobs) == (10, 10, [])
        crowd.begin_watch(5.0, 2)
        told_ns = [bare.new_job(), bare.new_job()]
        seen = crowd.end_watch()
        assert [job.received for job in seen.jobs] == [10, 10]
        assert told_ns[0] < seen.jobs[0].first_ns <= seen.jobs[0].last_ns
        crowd.steady(3, 100.0)
        seen = crowd.watch(0.3)
        assert seen.answered > 0
        assert seen.refused == {}
        assert 0 < seen.p50_ms <= seen.p99_ms <= seen.max_ms
        assert resident_bytes(bare.pid) > 0


def test_a_crowd_whose_server_is_gone_says_so() -> None:
    with running_bare_pool() as bare:
        port, pid = bare.port, bare.pid
    with pytest.raises(LoadError, match="load client: "), running_crowd(port, pid, 1) as crowd:
        crowd.login(1)


ROUND = fan_out.Round(5.0, 100.0, 9000, 100, 20.0, 90.0)
STORM = login_storm.Storm(9000.0, 100.0, 200.0, 90.0, 100, 50.0, 3000.0)


def test_a_fan_out_passing_its_bounds_is_a_fault() -> None:
    outcome = fan_out.Outcome(9000, [replace(ROUND, spread_ms=150.0)] * 3, [ROUND] * 3)
    assert outcome.ratio == 1.5
    assert outcome.faults() == []
    slow = replace(ROUND, first_ms=31.0, spread_ms=151.0, p99_ms=101.0, received=8999)
    missed, ratio, first, p99 = fan_out.Outcome(9000, [slow] * 3, [ROUND] * 3).faults()
    assert missed == "3 jobs did not arrive"
    assert ratio == "1.51 times the bare loop, not 1.5"
    assert first == "the first line after 31 ms, not 30"
    assert p99 == "shares answered in 101 ms (p99), not 100"


def test_a_storm_passing_its_bounds_is_a_fault() -> None:
    bare = replace(STORM, logins_per_s=18_000.0)
    assert login_storm.Outcome(9000, [STORM], [bare], [STORM], [bare]).faults() == []
    slow = replace(STORM, logins_per_s=5000.0, p99_ms=101.0, bytes_per_connection=4097.0)
    ratio, memory, p99 = login_storm.Outcome(9000, [slow], [bare], [slow], [bare]).faults()
    assert ratio == "0.28 of the bare server in logins/s, not 0.3"
    assert memory == "4097 bytes a connection, not 4096"
    assert p99 == "shares answered in 101 ms (p99), not 100"
