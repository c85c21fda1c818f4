"""A port behind HAProxy: the header comes first, and only there (A1.13)."""

from pathlib import Path

import pytest

from kench.stratum.proxied import HEADER_BYTES_MAX, ProxiedConnection
from tests.support.stratum_client import Desk, Peer, run, serving, turns

PROXY = b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 3333\r\n"


async def connected(desk: Desk) -> Peer:
    desk.shell = ProxiedConnection
    return await desk.connect()


@pytest.mark.rule("A1.13")
@pytest.mark.parametrize(
    ("header", "address"),
    [
        (PROXY, "198.51.100.7"),
        (b"PROXY TCP6 2001:db8::1 ::1 40000 3333\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"PROXY UNKNOWN ff::1 ff::2 1 2\r\n", "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 12, None])
def test_the_header_names_the_miner_and_is_taken_off(
    tmp_path: Path, header: bytes, address: str, cut: int | None
) -> None:
    async def test() -> None:
        async with serving(tmp_path) as desk:
            peer = await connected(desk)
            if cut is None:  # glued to the miner's first line
                peer.write(header + b'{"id":77,"method":"mining.ping","params":[]}\n')
                assert (await peer.line())["id"] == 77
            else:
                peer.write(header[:cut])
                await turns()
                peer.write(header[cut:])
            await peer.login()
            assert peer.connection.peer == address

    run(test())


@pytest.mark.rule("A1.13")
@pytest.mark.parametrize(
    "opening",
    [
        b'{"id":1,"method":"mining.subscribe","params":[]}\n',
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY TCP4 <script> 127.0.0.1 1 2\r\n",
        b"PROXY " + b"x" * HEADER_BYTES_MAX,
    ],
)
def test_what_does_not_begin_with_a_header_is_cut_off(tmp_path: Path, opening: bytes) -> None:
    async def test() -> None:
        async with serving(tmp_path) as desk:
            peer = await connected(desk)
            peer.write(opening)
            assert await peer.ended() == b""

    run(test())
