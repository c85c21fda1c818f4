"""Metrics by the names that operators were promised; health that follows the fronts."""

import re
from pathlib import Path
from typing import Any

from kench.stratum.faults import Fault
from kench.stratum.guard import Guard
from kench.stratum.maker.state import whole
from kench.stratum.metrics import Numbers, site_root
from tests.stratum.maker.test_state import front
from tests.support.scraping import lines_of
from tests.support.stratum_client import COSTS

SHIPPED = {
    "together": True, "behind": 0, "behind_s": 0.25, "silent_s": 0.5, "away": False,
    "acknowledged_without": 0, "generation": 2,
}  # fmt: skip
PUBLISHED = {
    "together": True, "away": False, "why": None, "behind": 3, "behind_s": 0.5, "silent_s": 0.1,
    "acknowledged_without": 2,
}  # fmt: skip
FOLLOWED = {"connected": True, "behind_bytes": 4096, "left": 0, "left_bytes": 0}
INCOME = {
    "formed_until": "2026-11-20", "missing_day": "2026-11-21", "late_days": 2, "records": 13,
    "took_s": 0.5, "failures": 3, "fault": "why", "pushes_waiting": 4, "pushes_waiting_s": 60.0,
    "pushes_failed": 1, "rejected": 5,
}  # fmt: skip
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def promised() -> set[str]:
    """The names in the table of docs/operations.md."""
    text = OPERATIONS.read_text().partition("### Metrics\n")[2].partition("\n##")[0]
    return set(re.findall(r"`(kench_[a-z_]+)`", text))


def state(**changed: Any) -> dict[str, Any]:
    facts = {
        "feed": {
            "role": "follows", "epoch": 5, "heard_s": 1.5, "away": None,
            "refused": {"custody": 1}, "blocks": {"told": 1, "waiting": 0},
        },
        "machine": {"renewed_s": 2.0},
        "height": 7, "nodes": [{"name": "a", "usable": True}, {"name": "b", "usable": False}],
        "front_restarts": 2, "maker_loop_lag_s": 0.1, "maker_loop_lag_max_s": 0.2,
        "refused_by_agent": [("stale", "x/1", 3)], "certificate": None,
        "statistics": {"running": True, "fault": None, "faults": 2, "workers": 3},
        "custody": {
            "order": 4, "checked": 9, "refused": 2, "why": None, "orders_fault": None,
        },
        "settlement": {
            "waits": False, "manifests_waiting": 3, "manifests_waiting_s": 75.5, "income": INCOME,
        },
    }  # fmt: skip
    running = {
        "job_age_s": 1.0, "feed_lag_s": 0.5, "loop_lag_s": 0.01, "loop_lag_max_s": 0.02,
        "fan_out_s": 0.003, "work_hashes": 2**70, "turns_waiting": 0,
        "certificate": {"why": None, "expires_at_s": 5, "in_force": True},
        "guard": {"faults": {"idle": 1}, "measures": {"cut": 1}, "banned": 1},
    }  # fmt: skip
    return whole(facts, {0: front(**running, **changed), 1: front(**running)})


def scraped(of: dict[str, Any]) -> dict[str, float]:
    lines = lines_of(Numbers(lambda: of))
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_every_name_that_operators_were_promised_is_there_and_no_other() -> None:
    told = state(standby=SHIPPED, stream=PUBLISHED)
    told["settlement"] |= {"followers": FOLLOWED}
    names = {series.partition("{")[0] for series in scraped(told)}
    assert names == promised()
    without = {series.partition("{")[0] for series in scraped(state())}
    copied = re.compile("standby|stream")
    assert {name for name in promised() - without if not copied.search(name)} == set()


def test_what_differs_by_front_names_its_process() -> None:
    found = scraped(state(connections=9, accepted=5))
    assert found['kench_connections{process="0"}'] == 9
    assert found['kench_connections{process="1"}'] == 3
    assert found['kench_shares_total{outcome="accepted",process="0"}'] == 5
    assert found['kench_shares_total{outcome="stale",process="1"}'] == 2
    assert found['kench_work_hashes_total{process="1"}'] == 2.0**70
    assert found['kench_loop_lag_seconds{process="maker"}'] == 0.1
    assert found['kench_node_usable{node="b"}'] == 0
    assert found["kench_front_restarts_total"] == 2


def test_health_is_good_while_one_front_serves_and_acknowledges() -> None:
    def health(of: dict[str, Any]) -> tuple[int, bytes]:
        page: Any = site_root(lambda: of).children[b"healthz"]
        status, _, body = page._answer()
        return status, body

    assert health(state(serving=False))[0] == 200
    stuck = front(durable_lag_ms=60_000.0)
    status, body = health(whole({"nodes": []}, {0: stuck}))
    assert (status, body) == (503, b"not serving: the journal does not acknowledge\n")
    shut = front(serving=False, why="no job yet")
    assert health(whole({"nodes": []}, {0: shut})) == (503, b"not serving: no job yet\n")


def test_a_job_that_must_not_be_sent_is_an_alarm_and_bad_health() -> None:
    calm = scraped(state())
    assert (calm["kench_jobs_checked_total"], calm["kench_jobs_refused_total"]) == (9, 2)
    assert (calm["kench_custody_alarm"], calm["kench_order_followed"]) == (0, 4)
    assert calm["kench_orders_sound"] == 1
    custody = {"order": 4, "checked": 9, "refused": 3, "why": "it pays x", "orders_fault": "y"}
    alarmed = state() | {"custody": custody}
    assert scraped(alarmed)["kench_custody_alarm"] == 1
    assert scraped(alarmed)["kench_orders_sound"] == 0
    page: Any = site_root(lambda: alarmed).children[b"healthz"]
    status, _, body = page._answer()
    assert (status, body) == (503, b"custody alarm: it pays x\n")


def test_settlement_is_told_as_long_as_the_database_tells_it() -> None:
    told = scraped(state())
    assert told["kench_settlement_waits"] == 0
    assert told["kench_manifests_waiting"] == 3
    assert told["kench_manifests_waiting_seconds"] == 75.5
    assert told["kench_income_late_days"] == 2
    assert told["kench_income_missing_day_timestamp_seconds"] == 1_795_197_600
    assert told["kench_income_records_formed_total"] == 13
    away = scraped(state() | {"settlement": None})
    assert not [name for name in away if re.search("manifests|settlement|income", name)]


def test_how_the_stream_fares_is_told_of_each_front_that_publishes() -> None:
    told = scraped(state(stream=PUBLISHED | {"behind_s": None}))
    assert told['kench_stream_behind_records{process="0"}'] == 3
    assert told['kench_shares_without_stream_total{process="0"}'] == 2
    assert 'kench_stream_behind_seconds{process="0"}' not in told
    assert 'kench_stream_behind_records{process="1"}' not in told


def test_a_standby_of_which_nothing_was_heard_has_no_lag() -> None:
    told = scraped(state(standby=SHIPPED | {"behind_s": None, "away": True}))
    assert 'kench_standby_behind_seconds{process="0"}' not in told
    assert told['kench_standby_away{process="0"}'] == 1
    assert told['kench_standby_generation{process="0"}'] == 2
    assert not [name for name in told if "wal" in name or "database" in name]


def test_faults_measures_bans_and_waiting_logins_are_told() -> None:
    guard = Guard(COSTS)
    address = guard.arrive("192.0.2.1", 0.0)
    assert address is not None
    for _ in range(20):
        guard.charge_ended(address, Fault.OVERSIZED_LINE, 0.0)
    found = scraped(state() | {"guard": guard.state(0.0), "turns_waiting": 3})
    assert found['kench_faults_total{kind="oversized_line"}'] == 20
    assert found['kench_faults_total{kind="bad_json"}'] == 0
    assert found['kench_measures_total{kind="banned"}'] == 1
    assert found["kench_addresses_banned"] == 1
    assert found["kench_turns_waiting"] == 3
