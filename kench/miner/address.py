"""Where the pool is: `host:port` or `stratum+tcp://host:port`."""

from typing import NamedTuple

from kench.pool.errors import KenchError

SCHEMES = ("stratum+tcp://", "tcp://")


class PoolAddressInvalidError(KenchError):
    """The URL of the pool cannot be read."""


class PoolAddress(NamedTuple):
    """Host and port of a pool's stratum server."""

    host: str
    port: int


def parse_address(url: str) -> PoolAddress:
    """Read the URL of a pool. Raises PoolAddressInvalidError."""
    rest = url
    for scheme in SCHEMES:
        rest = rest.removeprefix(scheme)
    host, _, port = rest.rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or not port.isascii() or not port.isdigit():
        raise PoolAddressInvalidError(
            f"{url!r} is no pool; write stratum+tcp://host:port or host:port"
        )
    if not 1 <= int(port) <= 65_535:
        raise PoolAddressInvalidError(f"{url!r}: the port must be from 1 to 65535")
    return PoolAddress(host, int(port))
