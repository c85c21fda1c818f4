"""`kench sell` as a process: what becomes of the orders that it started on is an alarm."""

import json
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import sqlalchemy as sa

from tests.support.registers import accept_orders, trust_settings, unguarded
from tests.support.root_process import running_root
from tests.support.waiting import await_that

LIMIT_S = 60.0
NOBODY = "http://127.0.0.1:1"


def selling(database: str, folder: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run `kench sell` with a venue that does not answer; it is gone afterwards."""
    key = folder / "key.json"
    key.write_text('{"key": "k", "secret": "s"}')
    key.chmod(0o600)
    venue = {"name": "paper", "kind": "paper", "url": NOBODY, "key_file": str(key)}
    variables = {
        **trust_settings(folder),
        "KENCH_DATA": str(folder),
        "KENCH_DATABASE_URL": database,
        "KENCH_VENUES": json.dumps([venue]),
        "KENCH_SELL_METRICS_PORT": "0",
    }
    return running_root("kench.sale", folder / "sell.log", variables)


def test_an_order_taken_away_is_an_alarm_and_the_sale_goes_on(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    accept_orders(engine)
    with selling(database, tmp_path) as process:
        assert process.stdout is not None
        told = process.stdout.readline().split()[-1]
        assert process.stdout.readline() == "kench sell: ready\n"
        with unguarded(engine) as connection:
            connection.execute(sa.text("DELETE FROM order_acceptances"))
        deadline = time.monotonic() + LIMIT_S
        while '"critical"' not in (log := (tmp_path / "sell.log").read_text()):
            assert time.monotonic() < deadline, log
            time.sleep(0.1)
        assert "other orders than the 1 that were accepted" in log
        unreached = 'kench_sell_venue_questions_total{outcome="busy",venue="paper"}'
        with httpx.Client(base_url=told, trust_env=False, timeout=20) as client:
            await_that(lambda: f"{unreached} 0.0" not in client.get("/metrics").text)
            assert unreached in client.get("/metrics").text
            assert client.get("/healthz").json() == {"works": True}
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
