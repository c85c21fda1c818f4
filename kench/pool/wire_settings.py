"""Settings of wires that leave this machine: which may be plain, and what is refused otherwise.

Bitcoin Core speaks neither TLS over RPC nor over ZMQ, and metrics are plain HTTP: where they leave
the machine, a tunnel or a network of our own has to keep them, and the operator says which.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import words_of
from kench.pool.origins import is_loopback

if TYPE_CHECKING:
    from kench.pool.settings import Settings

CHECKED_MODES = frozenset({"verify-ca", "verify-full"})
"""Of sslmode: those that know the server by its certificate."""
PLAIN_TO_MAX = 64
MAIN = "main"
NETWORKS = (MAIN, "test", "testnet4", "signet", "regtest")
"""Of coins, as nodes name them; those of MAIN are worth something."""


class WireSettings(BaseModel):
    """Those of `Settings` that say which wires may be plain."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    plain_to: Annotated[tuple[str, ...], NoDecode, Field(max_length=PLAIN_TO_MAX)] = ()
    """Names, addresses and networks (CIDR) that nodes, ZMQ and PostgreSQL may be spoken to, and
    metrics served, without TLS: a tunnel, or a cable of our own. Where `network` is main, all
    others are refused; where it is unset, nodes of main are, while there are others."""

    @field_validator("plain_to", mode="before")
    @classmethod
    def _split_plain_to(cls, value: object) -> object:
        return words_of(value)


def check_wires(settings: "Settings") -> None:
    """Raise ValueError where a wire would leave the machine without TLS and nobody said it may.

    On networks of coins that are worth nothing everything is let be.
    """
    if settings.network != MAIN:
        return
    for wire in unsaid_wires(settings):
        raise ValueError(wire.words)


class PlainWire(NamedTuple):
    """A wire without TLS to another machine, that `plain_to` does not name."""

    name: str
    """Of its setting."""
    words: str
    """What is wrong, and what mends it."""


def unsaid_wires(settings: "Settings") -> Iterator[PlainWire]:
    """Yield each wire that would leave the machine without TLS, and nobody said it may."""
    plain = [("node_urls", _plain_http(url.get_secret_value())) for url in settings.node_urls]
    plain += [("node_zmq", urlsplit(url).hostname) for url in settings.node_zmq]
    if settings.database_url is not None:
        hosts = plain_database_hosts(settings.database_url.get_secret_value())
        plain += [("database_url", host) for host in hosts]
    plain.append(("metrics_host", settings.metrics_host))
    for name, host in plain:
        if host and not is_loopback(host) and not _is_among(host, settings.plain_to):
            mend = ", or sslmode=verify-full in it" if name == "database_url" else ""
            yield PlainWire(
                name,
                f"{name}: {host} is not this machine, and the wire there has no TLS: lead it "
                f"through a tunnel and name that in plain_to (KENCH_PLAIN_TO){mend}",
            )


def networks_to_take(settings: "Settings") -> frozenset[str]:
    """Return the networks that nodes may name where `network` is unset.

    Coins of main are worth something: an unset word must not be what lets wires be plain.
    """
    return frozenset(NETWORKS) - ({MAIN} if any(unsaid_wires(settings)) else set())


def plain_database_hosts(url: str) -> list[str]:
    """Return the hosts that libpq would speak to over TCP without knowing who answers."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    if set(asked.get("sslmode", ())) & CHECKED_MODES:
        return []
    named = parts.netloc.rpartition("@")[2].split(",")
    hosts = [urlsplit(f"//{one}").hostname or "" for one in named]
    hosts += [host for key in ("host", "hostaddr") for text in asked.get(key, ())
              for host in text.split(",")]  # fmt: skip
    return [host for host in hosts if host and not host.startswith(("/", "%2f", "@"))]


def _plain_http(url: str) -> str | None:
    parts = urlsplit(url)
    return parts.hostname if parts.scheme == "http" else None


def _is_among(host: str, names: tuple[str, ...]) -> bool:
    if host in names:
        return True
    try:
        address = ip_address(host)
        return any(address in ip_network(name, strict=False) for name in names if _is_network(name))
    except ValueError:
        return False


def _is_network(name: str) -> bool:
    try:
        ip_network(name, strict=False)
    except ValueError:
        return False
    return True
