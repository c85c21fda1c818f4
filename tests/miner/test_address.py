"""A pool's URL is read, or refused with words."""

import pytest

from kench.miner.address import PoolAddress, PoolAddressInvalidError, parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("127.0.0.1:3333", PoolAddress("127.0.0.1", 3333)),
        ("stratum+tcp://pool.example:443", PoolAddress("pool.example", 443)),
        ("tcp://pool.example:25/", PoolAddress("pool.example", 25)),
        ("stratum+tcp://[::1]:3333", PoolAddress("::1", 3333)),
    ],
)
def test_the_usual_forms_are_read(url: str, expected: PoolAddress) -> None:
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    "url", ["", "pool", "pool:", ":3333", "pool:0", "pool:65536", "http://pool:80/x", "pool:³"]
)
def test_anything_else_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(PoolAddressInvalidError, match=r"host:port|from 1 to 65535"):
        parse_address(url)
