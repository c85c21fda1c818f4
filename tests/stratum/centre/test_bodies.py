"""Bodies of blocks through the cluster: whole or not at all."""

from pathlib import Path

import pytest

from kench.stratum.centre import bodies
from kench.stratum.maker.upstream import body_hex
from tests.support.jobs import large_template
from tests.support.nats import connected, running_servers


def test_a_body_comes_as_it_was_put_there_and_half_a_one_does_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PIECE_BYTES", 100_000)
    body = body_hex(large_template())
    with running_servers(tmp_path) as servers, connected(servers.plan()) as cluster:
        cluster.ask(bodies.open_stream(cluster), 5)
        cluster.ask(bodies.open_stream(cluster), 5)
        cluster.ask(bodies.share(cluster, 0xABC, body), 5)
        assert cluster.ask(bodies.fetch(cluster, 0xABC), 5) == body
        assert cluster.ask(bodies.fetch(cluster, 0xABD), 5) is None
        purged = cluster.jetstream.purge_stream(bodies.STREAM, subject="kench.bodies.abc.1")
        cluster.ask(purged, 5)
        assert cluster.ask(bodies.fetch(cluster, 0xABC), 5) is None
        for junk in (b"", b"\x00\x00\x00\x00", b"\xff\xff\x00\x00", b"\x01\x00\x01\x00"):
            cluster.ask(cluster.jetstream.publish("kench.bodies.1.0", junk), 5)
            assert cluster.ask(bodies.fetch(cluster, 1), 5) is None
