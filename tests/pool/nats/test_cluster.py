"""The line to the cluster: it comes back by itself, and who waits hears in time that it is away."""

import asyncio
from pathlib import Path

import pytest

from kench.pool.nats.cluster import (
    Cluster,
    ClusterAwayError,
    ClusterPlan,
    ClusterRefusedError,
)
from tests.support.nats import connected, running_servers


def test_it_comes_back_after_a_server_was_killed_and_what_was_kept_is_there(tmp_path: Path) -> None:
    heard: list[bool] = []
    with running_servers(tmp_path) as servers:
        cluster = Cluster(servers.plan(), heard.append).start()
        try:
            cluster.await_connected(10)
            cluster.ask(cluster.jetstream.add_stream(name="kept", subjects=["kept"]), 5)
            cluster.ask(cluster.jetstream.publish("kept", b"1"), 5)
            servers.servers[0].kill()
            with pytest.raises(ClusterAwayError):
                cluster.ask(cluster.jetstream.publish("kept", b"2"), 0.3)
            assert cluster.why_away is not None
            servers.servers[0].start()
            cluster.await_connected(10)
            info = cluster.ask(cluster.jetstream.stream_info("kept"), 5)
            assert info.state.messages >= 1
        finally:
            cluster.close()
    assert heard[:3] == [True, False, True]


def test_a_cluster_that_is_not_there_is_said_in_time_and_closing_does_not_wait() -> None:
    cluster = Cluster(ClusterPlan(("nats://127.0.0.1:9",), "tests")).start()
    with pytest.raises(ClusterAwayError):
        cluster.await_connected(0.3)
    assert cluster.why_away is not None
    cluster.close()
    with pytest.raises(ClusterAwayError):
        cluster.ask(asyncio.sleep(0), 1)


def test_what_it_refuses_is_another_error_than_its_being_away(tmp_path: Path) -> None:
    with (
        running_servers(tmp_path) as servers,
        connected(servers.plan()) as cluster,
        pytest.raises(ClusterRefusedError),
    ):
        cluster.ask(cluster.jetstream.stream_info("nobody-made-it"), 5)
