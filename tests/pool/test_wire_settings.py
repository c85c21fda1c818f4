"""Wires that leave the machine: TLS, or a network that somebody named."""

import pytest

from kench.pool.settings_file import SettingsError, read_settings
from kench.pool.wire_settings import MAIN, NETWORKS, networks_to_take, plain_database_hosts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("node_urls", "http://node:8332?cookie=/c"),
        ("node_urls", "http://127.0.0.1:1?cookie=/c http://10.0.0.2:8332?cookie=/c"),
        ("node_zmq", "tcp://10.0.0.2:28332"),
        ("database_url", "postgresql://kench@db/kench"),
        ("database_url", "postgresql://kench@db/kench?sslmode=require"),
        ("database_url", "postgresql:///kench?host=10.0.0.2"),
        ("metrics_host", "0.0.0.0"),
        ("metrics_host", "10.0.0.2"),
    ],
)
def test_where_coins_are_real_no_plain_wire_leaves_the_machine_unsaid(
    name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=rf"{name}.*plain_to \(KENCH_PLAIN_TO\)"):
        read_settings(network="main", **{name: value})
    for said in ("10.0.0.0/8 node db 0.0.0.0", "10.0.0.2,node,db,0.0.0.0/0"):
        assert read_settings(network="main", plain_to=said, **{name: value}).network == "main"
    with pytest.raises(SettingsError, match="KENCH_PLAIN_TO"):
        read_settings(network="main", plain_to="10.0.1.0/24 other nodes", **{name: value})
    assert read_settings(network="regtest", **{name: value}).network == "regtest"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql:///kench", []),
        ("postgresql:///kench?host=/run/postgresql", []),
        ("postgresql://u:p@db/kench?sslmode=verify-full", []),
        ("postgresql://u:p@db/kench?sslmode=verify-ca", []),
        ("postgresql://u:p@one,two:5433/kench?sslmode=prefer", ["one", "two"]),
        ("postgresql://u:p@[2001:db8::1]:5433/kench", ["2001:db8::1"]),
        ("postgresql://db/kench?hostaddr=10.0.0.1", ["db", "10.0.0.1"]),
    ],
)
def test_hosts_whose_certificate_is_not_looked_at_are_found(url: str, hosts: list[str]) -> None:
    assert plain_database_hosts(url) == hosts


def test_this_machine_and_tls_need_no_word() -> None:
    settings = read_settings(
        network="main",
        node_urls="http://127.0.0.1:8332?cookie=/c http://[::1]:1?cookie=/c",
        node_zmq="ipc:///run/node tcp://localhost:1",
        database_url="postgresql://u:p@db/kench?sslmode=verify-full",
    )
    assert settings.plain_to == ()


def test_an_unset_network_is_no_main_where_a_plain_wire_is_unsaid() -> None:
    plain = {"node_zmq": "tcp://10.0.0.2:28332"}
    assert networks_to_take(read_settings(**plain)) == set(NETWORKS) - {MAIN}
    assert networks_to_take(read_settings(plain_to="10.0.0.2", **plain)) == set(NETWORKS)
    assert networks_to_take(read_settings()) == set(NETWORKS)
