"""Every kind of door of a real pool of two fronts, from the settings to a miner's first job."""

import contextlib
import json
import socket
import ssl
import time
import urllib.request
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.load.ports import free_ports
from kench.pool.register import add_participant
from tests.support.certificates import HOST, authority
from tests.support.client import StratumClient
from tests.support.pool import Pool, running_pool

WAIT_S = 30.0
HEADER = b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 3333\r\n"
PROXIED_SECURE = {"tls": True, "proxy_from": "127.0.0.1"}


def refuses_bodies(port: int) -> None:
    """What is sent to the pages of metrics is not kept: who sends it is cut off."""
    for head in (b"Content-Length: 100000000", b"Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def metrics_of(pool: Pool) -> str:
    url = f"http://127.0.0.1:{pool.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def test_each_kind_of_door_serves_by_its_own_policy(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    issuer = authority(tmp_path)
    certificate, key = issuer.issue()
    port = dict(zip(("high", "low", "secure", "v6"), free_ports(4), strict=True))
    doors = [
        {"name": "high", "port": port["high"], "start_difficulty": 4, "min_difficulty": 2},
        {"name": "low", "port": port["low"], "start_difficulty": 1e-6, "max_difficulty": 0.001},
        {"name": "secure", "port": port["secure"], **PROXIED_SECURE},
        {"name": "v6", "port": port["v6"], "host": "::", "purpose": "IPv6 and IPv4"},
    ]
    settings = {
        "KENCH_STRATUM_PROCESSES": "2",
        "KENCH_START_DIFFICULTY": "0.5",
        "KENCH_DOORS": json.dumps(doors),
        "KENCH_TLS_CERTIFICATE": str(certificate),
        "KENCH_TLS_KEY": str(key),
    }
    with engine.begin() as connection:
        participant, token = add_participant(connection, "first")
    with running_pool(tmp_path, database, **settings) as pool:
        pool.start("stratum")

        def started_at(number: int, password: str = "", **how: object) -> float:
            with StratumClient(number, **how) as miner:  # type: ignore[arg-type]
                assert miner.login(f"{participant}.a", token + password)
                miner.wait_for_job()
                return miner.difficulty

        for _ in range(4):  # whichever front takes it
            assert started_at(pool.stratum_port) == 0.5
            assert started_at(port["high"]) == 4
            assert started_at(port["high"], ",d=0.01") == 2
            assert started_at(port["low"]) == 1e-6
            assert started_at(port["low"], ",d=9") == 0.001
            assert started_at(port["v6"], host="::1") == 0.5
            assert started_at(port["v6"], host="127.0.0.1") == 0.5
            secure = {"tls": issuer.client(), "tls_host": HOST}
            assert started_at(port["secure"], header=HEADER, **secure) == 0.5
            with pytest.raises((ConnectionError, ssl.SSLError)):
                StratumClient(port["secure"], **secure)  # type: ignore[arg-type]

        state = pool.state()
        assert [door["name"] for door in state["doors"]] == ["standard", *port]
        assert all(door["open"] for door in state["doors"])
        assert state["doors"][3]["url"] == f"stratum+ssl://127.0.0.1:{port['secure']}"
        assert state["certificate"]["why"] is None
        refuses_bodies(pool.metrics_port)
        metrics = metrics_of(pool)
        for name in ("standard", *port):
            assert f'kench_door_open{{door="{name}"}} 1.0' in metrics
        assert "kench_certificate_expires_timestamp_seconds" in metrics
        assert "kench_certificate_current 1.0" in metrics
        deadline = time.monotonic() + WAIT_S
        # PostgreSQL is told each second.
        while "being started" in (shown := pool.run("status").stdout):
            assert time.monotonic() < deadline
        assert f"stratum+ssl://127.0.0.1:{port['secure']}" in shown
        assert "IPv6 and IPv4" in shown
