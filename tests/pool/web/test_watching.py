"""Metrics and health of a process that serves nobody else: told, bounded, and off unless set."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kench.pool.web.watching import CONNECTIONS_MAX, WatchPortError, watched
from tests.support.waiting import await_that


class Told(Collector):
    """One number."""

    value = 7.0

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("kench_told", "a number", self.value)


def test_numbers_and_health_are_told_for_as_long_as_the_work_lasts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told, whys = Told(), [None, "the disk is full"]
    with watched("settle", "127.0.0.1", 0, told, lambda: whys.pop(0)):
        url = capsys.readouterr().out.split()[-1]
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            assert "kench_told 7.0" in client.get("/metrics").text
            told.value = 8.0
            assert "kench_told 8.0" in client.get("/metrics").text
            well, ill = client.get("/healthz"), client.get("/healthz")
            assert (well.status_code, well.json()) == (200, {"works": True})
            words = {"works": False, "why": "the disk is full"}
            assert (ill.status_code, ill.json()) == (503, words)
            assert client.get("/metrics/").status_code == 404
            assert "server" not in well.headers
    assert "metrics" not in {one.name for one in threading.enumerate()}
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_connections_beyond_the_places_are_closed_and_keep_nobody_away_afterwards(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with watched("settle", "127.0.0.1", 0, Told(), lambda: None):
        url = capsys.readouterr().out.split()[-1]
        place = urlsplit(url)
        with contextlib.ExitStack() as opened:
            for _ in range(CONNECTIONS_MAX + 1):
                last = socket.create_connection((place.hostname, place.port), timeout=20)
                opened.enter_context(last)
            with contextlib.suppress(ConnectionError):
                assert last.recv(1) == b""
        await_that(lambda: answers(url), 20.0)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/metrics", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = watched("gather", "127.0.0.1", port, Told(), lambda: None)
        with pytest.raises(WatchPortError, match="KENCH_GATHER_METRICS_PORT"), ports:
            pass


def test_without_a_port_nothing_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    with watched("settle", "127.0.0.1", None, Told(), lambda: None):
        assert capsys.readouterr().out == ""
        assert "metrics" not in {one.name for one in threading.enumerate()}
