"""PostgreSQL, nodes and NATS: faults that are really there."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from kench.doctor.database import check_database
from kench.doctor.finding import Finding, Level
from kench.doctor.services import check_nats, check_nodes, check_wires
from kench.pool.clock import SystemClock
from kench.pool.nats.cluster import Cluster
from kench.pool.settings import Settings
from kench.pool.stream.layout import ensure_stream, subject_of
from tests.conftest import execute
from tests.support.fake_nodes import HealthyNode
from tests.support.nats import Servers, running_servers


def by_check(findings: Any) -> dict[str, Finding]:
    """The gravest finding of each check."""
    return {one.check: one for one in sorted(findings, key=lambda one: one.level)}


def test_a_database_is_told_by_its_own_settings_and_rights(database: str) -> None:
    found = by_check(check_database(database, SystemClock()))
    for check in ("schema", "database", "durability", "database clock"):
        assert found[check].level is Level.OK, found[check]
    # Its user here may do anything, and nothing bounds who comes by psql.
    assert found["roles"].level is Level.WARN
    assert "superuser" in found["roles"].says
    assert found["timeouts"].level is Level.WARN


def test_a_database_that_may_lose_what_was_committed_is_bad_whatever_we_bring_along(
    database: str,
) -> None:
    name = sa.make_url(database).database
    execute(database, f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1min'")
    execute(database, f"ALTER DATABASE {name} SET synchronous_commit = off")
    found = check_database(database, SystemClock())
    said = [(one.check, one.level, one.says) for one in found]
    assert any(check == "timeouts" and level is Level.OK for check, level, _ in said)
    assert any(
        level is Level.BAD and "synchronous_commit is off" in says for _, level, says in said
    )


@pytest.mark.parametrize(("revision", "word"), [("0001", "kench migrate"), ("9999", "newer")])
def test_a_schema_of_another_version_is_bad(database: str, revision: str, word: str) -> None:
    execute(database, f"UPDATE alembic_version SET version_num = '{revision}'")
    found = by_check(check_database(database, SystemClock()))["schema"]
    assert found.level is Level.BAD
    assert word in found.says


def test_a_database_that_is_away_and_a_url_that_is_none() -> None:
    (away,) = check_database("postgresql://nobody@127.0.0.1:9/none", SystemClock())
    assert (away.check, away.level) == ("database", Level.BAD)
    (none,) = check_database("no url at all", SystemClock())
    assert none.level is Level.BAD


def test_nodes_are_asked_as_the_pool_asks_them() -> None:
    with HealthyNode() as sound:
        (well, alone) = check_nodes([sound.url], "regtest")
        assert well.level is Level.OK
        assert (alone.level, alone.mend) == (Level.WARN, "a second in node_urls")
        strange = next(iter(check_nodes([sound.url], "main")))
        assert strange.level is Level.BAD
        assert "regtest" in strange.says
        wrong = sound.url.replace("the-password", "another")
        refused = next(iter(check_nodes([wrong], None)))
        assert refused.level is Level.BAD
        assert "another" not in refused.says + refused.mend
        sound.initial_download = True
        assert "catches up" in next(iter(check_nodes([sound.url], None))).says
        sound.initial_download, sound.chain, sound.connections = False, "main", 0
        assert "no peers" in next(iter(check_nodes([sound.url], "main"))).says
    away = next(iter(check_nodes([sound.url], None)))
    assert away.level is Level.BAD
    assert next(iter(check_nodes([], None))).level is Level.BAD


def test_a_cluster_that_keeps_fewer_copies_than_it_should_and_one_that_is_away(
    tmp_path: Path,
) -> None:
    with running_servers(tmp_path / "nats") as servers:
        one = Settings(data_dir=tmp_path, nats_urls=servers.urls, nats_replicas=1)
        (found,) = check_nats(one)
        assert found.level is Level.OK
        (found,) = check_nats(one.model_copy(update={"nats_replicas": 3}))
        assert found.level is Level.WARN
        assert "3 copies" in found.says
    (found,) = check_nats(one)
    assert (found.check, found.level) == ("nats", Level.BAD)
    assert (
        list(check_nats(Settings(data_dir=tmp_path, database_url=SecretStr("postgresql://x"))))
        == []
    )


def test_a_stream_of_another_size_is_told_and_one_that_is_nearly_full_is_bad(
    servers: Servers, line: Cluster, tmp_path: Path
) -> None:
    def found(size: int) -> Finding:
        settings = Settings(
            data_dir=tmp_path, nats_urls=servers.urls, nats_replicas=1, journal_stream_bytes=size
        )
        return by_check(check_nats(settings))["nats stream"]

    line.ask(ensure_stream(line, 1 << 20), 10.0)
    other = found(8 << 30)
    assert other.level is Level.WARN
    assert "--max-bytes 8589934592" in other.mend
    assert found(1 << 20).level is Level.OK
    for _ in range(8):
        line.ask(line.jetstream.publish(subject_of(1), bytes(100_000)), 10.0)
    assert found(1 << 20).level is Level.BAD


def test_a_plain_wire_to_another_machine_is_bad_where_the_network_is_unset() -> None:
    urls = ("http://127.0.0.1:8332?cookie=/c", "https://10.0.0.2:8332?cookie=/c")
    plain: Any = {"node_urls": tuple(map(SecretStr, urls)),
                  "node_zmq": ("tcp://127.0.0.1:1", "tcp://10.0.0.2:28332")}  # fmt: skip
    (found,) = check_wires(Settings(**plain))
    assert found.level is Level.BAD
    assert "10.0.0.2" in found.says
    assert "`network`" in found.mend
    for told in (Settings(**plain, plain_to=("10.0.0.0/8",)), Settings()):
        assert [one.level for one in check_wires(told)] == [Level.OK]
    assert not list(check_wires(Settings(**plain, network="regtest")))
