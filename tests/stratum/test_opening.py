"""Doors with PROXY headers and TLS on real sockets: who gets in, who is cut off, what waits."""

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from kench.stratum import opening
from kench.stratum.certificate import Certificate
from kench.stratum.doors import Door
from kench.stratum.faults import Fault
from kench.stratum.guard import Measure
from kench.stratum.opening import Refusal
from tests.stratum.test_connection import stall
from tests.stratum.test_proxied import header_v2
from tests.support.certificates import HOST, Authority, authority
from tests.support.sessions import EASY_LIMITS
from tests.support.stratum_client import Desk, Peer, on_loop, run, serving, shut_door, turns
from tests.support.waiting import until

PROXIES = (ip_network("127.0.0.0/30"),)
DIRECT = ("127.0.0.9", 0)
LINE = b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 3333\r\n"
LOCAL = header_v2(command=0x20)


def behind(certificate: Certificate | None = None) -> Door:
    """A door with proxies in front."""
    return shut_door(EASY_LIMITS, certificate, proxy_from=PROXIES)


async def refused(desk: Desk, reason: Refusal) -> int:
    """Wait until a peer was refused for this reason; how often it was."""
    await until(lambda: desk.door.refused[reason])
    return desk.door.refused[reason]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


# -- PROXY headers --------------------------------------------------------------------------


@pytest.mark.rule("A1.13")
@pytest.mark.parametrize(
    ("header", "address"),
    [
        (LINE, "198.51.100.7"),
        (b"PROXY TCP6 2001:db8::1 ::1 40000 3333\r\n", "2001:db8::1"),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 40000 3333\r\n", "198.51.100.7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (header_v2("198.51.100.7"), "198.51.100.7"),
        (header_v2("2001:db8::7", b"\x04\x00\x02ab"), "2001:db8::7"),
        (LOCAL, "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("cut", [None, 1, 12, -1])
@on_loop
async def test_the_header_names_the_miner_and_is_taken_off(
    tmp_path: Path, header: bytes, address: str, cut: int | None
) -> None:
    async with serving(tmp_path, door=behind()) as desk:
        peer = await desk.connect(awaited=False)
        first = b'{"id":77,"method":"mining.ping","params":[]}\n'
        if cut is None:  # glued to the miner's first line
            peer.write(header + first)
        else:
            peer.write(header[:cut])
            await turns()
            peer.write(header[cut:])
            await turns()
            peer.write(first)
        assert (await peer.line())["id"] == 77
        await peer.login()
        (connection,) = desk.front.connections
        assert connection.peer == address


@pytest.mark.rule("A1.13")
@pytest.mark.parametrize(
    "first",
    [
        b'{"id":1,"method":"mining.subscribe","params":[]}\n',
        b"PROXY TCP4 1.2.3.4\r\n",
        header_v2(family=0x31),
        b"\x16\x03\x01\x02\x00",
    ],
)
@on_loop
async def test_a_proxy_that_sends_no_header_is_cut_off(tmp_path: Path, first: bytes) -> None:
    async with serving(tmp_path, door=behind()) as desk:
        peer = await desk.connect(awaited=False)
        peer.write(first)
        assert await peer.ended() == b""
        assert desk.door.refused == {Refusal.NO_HEADER: 1}
        assert desk.door.accepted == 0


@pytest.mark.rule("A1.13")
@pytest.mark.parametrize("header", [LINE, header_v2()])
@on_loop
async def test_a_header_from_anyone_but_a_proxy_is_cut_off(tmp_path: Path, header: bytes) -> None:
    async with serving(tmp_path, door=behind()) as desk:
        direct = await desk.connect(local_addr=DIRECT)
        await direct.login()
        assert direct.connection.peer == DIRECT[0]
        liar = await desk.connect(local_addr=DIRECT)
        liar.write(header + b'{"id":1,"method":"mining.ping","params":[]}\n')
        assert await liar.ended() == b""
    async with serving(tmp_path / "plain") as desk:
        liar = await desk.connect()
        liar.write(header)
        assert await liar.ended() == b""


@on_loop
async def test_who_never_sends_its_header_is_let_go(tmp_path: Path) -> None:
    async with serving(tmp_path, door=behind()) as desk:
        mute = await desk.connect(awaited=False)
        half = await desk.connect(awaited=False)
        half.write(LINE[:9])
        openings = desk.door._openings
        assert openings is not None
        await until(lambda: len(openings._waiting) == 2)
        desk.loop.advance(9.9)
        assert not desk.door.refused
        desk.loop.advance(0.2)
        assert await mute.ended() == b""
        assert await half.ended() == b""
        assert desk.door.refused == {Refusal.LATE: 2}


@on_loop
async def test_openings_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "OPENINGS_MAX", 2)
    async with serving(tmp_path, door=behind()) as desk:
        kept = [await desk.connect(awaited=False) for _ in range(2)]
        await turns()
        one_more = await desk.connect(awaited=False)
        assert await one_more.ended() == b""
        assert desk.door.refused == {Refusal.TOO_MANY: 1}
        for peer in kept:
            peer.write(LINE)
            await peer.login()


@on_loop
async def test_a_door_that_shuts_drops_those_who_have_not_said_who_they_are(tmp_path: Path) -> None:
    async with serving(tmp_path, door=behind()) as desk:
        worker = await desk.connect(awaited=False)
        worker.write(LINE)
        await worker.login()
        mute = await desk.connect(awaited=False)
        await turns()
        desk.door.close()
        assert await mute.ended() == b""
        assert (await worker.call("mining.ping"))["result"] == "pong"


# -- TLS ------------------------------------------------------------------------------------


async def miner_over_tls(desk: Desk, issuer: Authority, **options: object) -> Peer:
    peer = await desk.connect(
        ssl=issuer.client(), server_hostname=HOST, local_addr=DIRECT, **options
    )
    return await peer.login()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@on_loop
async def test_a_miner_mines_over_tls(
    tmp_path: Path, issuer: Authority, version: ssl.TLSVersion
) -> None:
    door = shut_door(EASY_LIMITS, issuer.served())
    async with serving(tmp_path, door=door) as desk:
        client = issuer.client()
        client.minimum_version = client.maximum_version = version
        peer = await desk.connect(ssl=client, server_hostname=HOST)
        await peer.login()
        for _ in range(20):
            assert (await peer.submit(peer.miner.share()))["result"] is True
        desk.new_job()
        assert (await peer.line())["method"] == "mining.notify"
        desk.front.close_all("the end")
        assert await peer.ended() == b""


@pytest.mark.parametrize(
    "first", [b"\x16\x03\x01\x00\x05hello", b'{"id":1}\n', b"GET / HTTP/1.1\r\n\r\n"]
)
@on_loop
async def test_what_is_no_tls_is_let_go(tmp_path: Path, issuer: Authority, first: bytes) -> None:
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, issuer.served())) as desk:
        peer = await desk.connect(awaited=False)
        peer.write(first)
        await peer.ended()
        assert await refused(desk, Refusal.NO_HANDSHAKE) == 1
        await miner_over_tls(desk, issuer)


@on_loop
async def test_old_tls_is_refused(tmp_path: Path, issuer: Authority) -> None:
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, issuer.served())) as desk:
        old = issuer.client()
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await desk.connect(ssl=old, server_hostname=HOST)
        assert await refused(desk, Refusal.NO_HANDSHAKE) == 1


@on_loop
async def test_a_header_may_stand_before_tls_in_any_pieces(
    tmp_path: Path, issuer: Authority
) -> None:
    async with serving(tmp_path, door=behind(issuer.served())) as desk:
        for cut in (0, 5, 16, None):
            reader, writer = await _tls_after(desk.door.port, issuer, LINE, cut)
            peer = Peer(desk, reader, writer)
            await peer.login()
            assert {one.peer for one in desk.front.connections} == {"198.51.100.7"}
            await peer.leave()
            await turns()
        direct = await miner_over_tls(desk, issuer)
        assert direct.connection.peer == DIRECT[0]


async def _tls_after(
    port: int, issuer: Authority, header: bytes, cut: int | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as a proxy that passes TLS on; with cut None the header is glued to the hello."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        if cut is None:
            up_writer.write(header + await reader.read(65_536))
        else:
            up_writer.write(header[:cut])
            await asyncio.sleep(0.02)
            up_writer.write(header[cut:])
            await asyncio.sleep(0.02)
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))

    relay = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        return await asyncio.open_connection(
            *relay.sockets[0].getsockname(), ssl=issuer.client(), server_hostname=HOST
        )
    finally:
        relay.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


@on_loop
async def test_a_new_certificate_is_served_to_new_miners_and_old_ones_live_on(
    tmp_path: Path, issuer: Authority
) -> None:
    certificate = issuer.served("turned")
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, certificate)) as desk:
        old = await miner_over_tls(desk, issuer)
        issuer.issue("turned")
        await asyncio.to_thread(certificate.look)
        new = await miner_over_tls(desk, issuer)
        shown = [_certificate_of(peer) for peer in (old, new)]
        assert shown[0] != shown[1]
        for peer in (old, new):
            assert (await peer.submit(peer.miner.share()))["result"] is True


def _certificate_of(peer: Peer) -> bytes | None:
    tls: ssl.SSLObject = peer.writer.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True)


@on_loop
async def test_of_many_handshakes_only_some_begin_in_a_turn(
    tmp_path: Path, issuer: Authority
) -> None:
    crowd = 20 * opening.HANDSHAKES_EACH_TURN
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, issuer.served())) as desk:
        worker = await miner_over_tls(desk, issuer)
        peers = [await desk.connect(awaited=False) for _ in range(crowd)]
        client, first = issuer.client(), ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            client.wrap_bio(ssl.MemoryBIO(), first, server_hostname=HOST).do_handshake()
        hello = first.read()
        for peer in peers:
            peer.write(hello)
        hellos = [asyncio.ensure_future(peer.reader.readexactly(3)) for peer in peers]
        answered = 0
        while not all(one.done() for one in hellos):
            assert (await worker.call("mining.ping"))["result"] == "pong"
            answered += 1
        assert {one.result()[:1] for one in hellos} == {b"\x16"}
        assert answered >= 3


@on_loop
async def test_who_leaves_in_the_midst_of_a_handshake_leaves_nothing(
    tmp_path: Path, issuer: Authority
) -> None:
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, issuer.served())) as desk:
        hello = ssl.MemoryBIO()
        client = issuer.client().wrap_bio(ssl.MemoryBIO(), hello, server_hostname=HOST)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        for size in (1, 50, None):
            peer = await desk.connect(awaited=False)
            peer.write(hello.read() if size is None else b"\x16\x03\x01\x02\x00"[:size])
            await asyncio.sleep(0.02)
            await peer.leave()
        await until(lambda: desk.door.refused[Refusal.NO_HANDSHAKE] == 3)
        assert desk.door.refused == {Refusal.NO_HANDSHAKE: 3}
        assert desk.door.connections == 0


@pytest.mark.rule("A1.17")
@on_loop
async def test_a_tls_peer_that_does_not_read_is_cut_off_and_holds_up_nobody(
    tmp_path: Path, issuer: Authority
) -> None:
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, issuer.served())) as desk:
        slow = await miner_over_tls(desk, issuer)
        quick = await miner_over_tls(desk, issuer)
        await stall(desk, slow)
        assert slow.connection.transport.get_write_buffer_size() < 2 * 1024 * 1024
        assert (await quick.submit(quick.miner.share()))["result"] is True
        await desk.sweep(61)
        assert slow.connection not in desk.front.connections
        assert quick.connection in desk.front.connections


def test_a_tls_miner_that_hangs_up_without_farewell_ends_its_session(
    tmp_path: Path, issuer: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test() -> None:
        async with serving(tmp_path, door=shut_door(EASY_LIMITS, issuer.served())) as desk:
            for leave in ("abort", "end"):
                peer = await miner_over_tls(desk, issuer)
                if leave == "abort":
                    peer.writer.transport.abort()
                else:
                    descriptor = os.dup(peer.writer.get_extra_info("socket").fileno())
                    with socket.socket(fileno=descriptor) as raw:
                        raw.shutdown(socket.SHUT_WR)
                await until(lambda: not desk.front.connections)
            assert desk.door.connections == 0

    run(test())
    assert "Traceback" not in "".join(capfd.readouterr())


# -- what it costs --------------------------------------------------------------------------


@on_loop
async def test_handshakes_that_come_to_nothing_are_charged_and_a_banned_address_begins_none(
    tmp_path: Path, issuer: Authority
) -> None:
    async with serving(tmp_path, door=shut_door(EASY_LIMITS, issuer.served())) as desk:
        hostile = await desk.connect(awaited=False, local_addr=DIRECT)
        hostile.write(b"\x16\x03\x01\x00\x05hello")
        await hostile.ended()
        assert await refused(desk, Refusal.NO_HANDSHAKE) == 1
        guard, now = desk.front.guard, desk.loop.time()
        assert guard.faults[Fault.NO_HANDSHAKE] == 1
        address = guard.arrive(DIRECT[0], now)
        assert address is not None
        address.ban(now, guard.limits)
        with suppress(ConnectionResetError):  # felt at once or with the first read
            banned = await desk.connect(awaited=False, local_addr=DIRECT)
            assert await banned.ended() == b""
        assert guard.measures[Measure.REFUSED] == 1
        assert desk.door.refused == {Refusal.NO_HANDSHAKE: 1}
        await (await desk.connect(ssl=issuer.client(), server_hostname=HOST)).login()


@on_loop
async def test_whom_a_proxy_announces_may_be_banned_and_the_proxy_is_not_charged(
    tmp_path: Path, issuer: Authority
) -> None:
    async with serving(tmp_path, door=behind(issuer.served())) as desk:
        guard, now = desk.front.guard, desk.loop.time()
        address = guard.arrive("198.51.100.7", now)
        assert address is not None
        address.ban(now, guard.limits)
        banned = await desk.connect(awaited=False)
        banned.write(LINE)
        assert await banned.ended() == b""
        wrong = await desk.connect(awaited=False)
        wrong.write(b"hello")
        assert await wrong.ended() == b""
        assert guard.faults[Fault.NO_HANDSHAKE] == 0
