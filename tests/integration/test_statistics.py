"""From miners to the tables that pages read: every acknowledged share, every refusal, once."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.load.ports import free_ports
from kench.pool.journal import JournalReader
from kench.pool.register import add_participant
from tests.support.client import StratumClient
from tests.support.load import Load
from tests.support.pool import EASY_SHARES, running_pool

WRITTEN_WITHIN_S = 30.0
LIVE = """
    SELECT accepted, stale, hashrate_1m > 0, hashrate_24h > 0, sessions, user_agent,
        last_share_at > now() - interval '1 minute', session_since > now() - interval '1 minute'
    FROM worker_statistics WHERE name = 'rig'
"""

ADDRESSES = """
    SELECT participant_id, addresses, more, (SELECT count(*) FROM network_hours) > 0
    FROM participant_addresses
"""
PROXY = b"PROXY TCP4 212.42.96.7 127.0.0.1 40000 3333\r\n"


def journalled(folder: Path) -> int:
    """Shares in all journals; none of these tests' is a refused block."""
    return sum(JournalReader(one).durable() for one in (folder / "journal").glob("[0-9]*"))


def wait_for(engine: sa.Engine, query: str, wanted: Callable[[Any], bool]) -> Any:
    """Ask until the first row is as wanted; return it."""
    deadline = time.monotonic() + WRITTEN_WITHIN_S
    while True:
        with engine.connect() as connection:
            row = connection.execute(sa.text(query)).first()
        if row is not None and wanted(row):
            return row
        assert time.monotonic() < deadline, row
        time.sleep(0.1)


def test_a_workers_numbers_reach_the_tables_and_outlive_a_kill(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "one")
    (behind,) = free_ports(1)
    settings = EASY_SHARES | {
        "KENCH_STATISTICS_LIVE_S": "1",
        "KENCH_STRATUM_PROCESSES": "2",
        "KENCH_DOORS": json.dumps([{"name": "behind", "port": behind, "proxy_from": "127.0.0.1"}]),
    }
    with running_pool(tmp_path, database, **settings) as pool:
        pool.start("stratum")
        load = Load(pool.stratum_port, f"{participant}.rig", token)
        load.start(wanted=2000)
        load.wait()
        seen = wait_for(engine, LIVE, lambda row: row.accepted > 0 and row.sessions == 8)
        assert tuple(seen)[2:4] == (True, True)
        assert tuple(seen)[6:] == (True, True)
        # Of all these sessions one has an address that tells of a place.
        with StratumClient(behind, header=PROXY) as client:
            assert client.login(f"{participant}.rig", token)
            job = client.wait_for_job()
            share = (f"{participant}.rig", job[0], "00" * 8, job[7], "00000000")
            assert client.call("mining.submit", *share)["result"] is True
            row = wait_for(engine, ADDRESSES, lambda _: True)
            assert tuple(row) == (participant, ["212.42.96.7"], False, True)
        load.end()
        wait_for(
            engine, LIVE, lambda row: row.sessions == 0 and row.accepted == journalled(tmp_path)
        )
        total = journalled(tmp_path)
        assert total >= len(load.accepted)

        with StratumClient(pool.stratum_port) as client:
            client.call("mining.subscribe", "bosminer/7")
            client.call("mining.authorize", f"{participant}.rig", token)
            share = (f"{participant}.rig", "1", "00" * 8, "00000000", "00000000")
            assert client.call("mining.submit", *share)["error"][0] == 21
            row = wait_for(engine, LIVE, lambda row: row.stale == 1 and row.user_agent != "")
            assert row.user_agent == "bosminer/7"
        refused = "SELECT user_agent FROM refusals WHERE reason = 'job_not_found'"
        assert wait_for(engine, refused, lambda _: True).user_agent == "bosminer/7"

        pool.kill_stratum()
        with engine.begin() as connection:
            # So that the row can only be one written after all journals were read again.
            connection.execute(sa.text("DELETE FROM worker_live"))
        pool.start("stratum")
        wait_for(engine, LIVE, lambda row: (row.accepted, row.stale) == (total, 1))
        assert pool.end("stratum") == 0
        history = "SELECT sum(accepted) AS accepted, sum(stale) AS stale FROM worker_ten_minutes"
        wait_for(engine, history, lambda row: (row.accepted, row.stale) == (total, 1))
