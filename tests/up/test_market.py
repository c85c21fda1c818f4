"""What `kench up` sells coins on: its own paper venue beside its own node, and nothing unasked."""

import json
import socket
from pathlib import Path

import pytest

from kench.pool.secret_files import read_secret
from kench.pool.settings import Settings
from kench.pool.settings_file import read_settings
from kench.up.market import MarketPlan, plan_market
from kench.up.preflight import PortTakenError

THEIRS = {"node_urls": ["http://u:p@127.0.0.1:1"]}


def _roles(plan: MarketPlan, settings: Settings) -> list[str]:
    return [part.role for part in plan.parts({}, settings)]


def test_beside_the_own_node_run_a_paper_venue_and_a_screening(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path)
    plan = plan_market(settings)
    assert _roles(plan, settings) == ["venue", "screening"]
    (venue,) = json.loads(plan.variables()["KENCH_VENUES"])
    assert (venue["name"], venue["url"]) == ("paper", plan.venue_url)
    assert venue["key_file"] == str(tmp_path / "venue" / "key.json")
    told = Settings(data_dir=tmp_path, venues=json.dumps([venue]))
    assert told.venues == plan.venues


def test_beside_nodes_of_others_runs_neither_and_nothing_is_sold(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path, **THEIRS)
    plan = plan_market(settings)
    assert (_roles(plan, settings), plan.sells) == ([], False)


def test_venues_that_settings_name_are_taken_as_they_are(tmp_path: Path) -> None:
    entry = {"name": "first", "kind": "ccxt", "exchange": "hollaex", "key_file": "/etc/k.json"}
    settings = read_settings(data_dir=tmp_path, venues=[entry], **THEIRS)
    plan = plan_market(settings)
    assert (_roles(plan, settings), plan.sells) == ([], True)
    assert [venue.name for venue in plan.venues] == ["first"]


def test_a_screening_that_settings_name_takes_the_place_of_the_local_one(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path, screening_url="https://screening.example")
    plan = plan_market(settings)
    assert _roles(plan, settings) == ["venue"]
    assert not plan.screening


def test_the_venue_is_told_neither_the_database_nor_the_secret_of_the_screening(
    tmp_path: Path,
) -> None:
    settings = read_settings(data_dir=tmp_path)
    plan = plan_market(settings)
    venue, screening = plan.parts({"KENCH_DATABASE_URL": "postgresql://x"}, settings)
    assert "KENCH_DATABASE_URL" not in venue._environment
    assert "KENCH_SCREENING_SECRET_FILE" not in venue._environment
    assert "KENCH_DATABASE_URL" not in screening._environment
    path = Path(screening._environment["KENCH_SCREENING_SECRET_FILE"])
    assert len(read_secret(path)) == 64


def test_a_port_that_is_taken_is_said_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = read_settings(data_dir=tmp_path, venue_port=taken.getsockname()[1])
        with pytest.raises(PortTakenError, match="KENCH_VENUE_PORT"):
            plan_market(settings)
