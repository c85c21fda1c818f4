"""The line between both machines: who may speak on it, and for what."""

import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from kench.backup.standby.lending import lend
from kench.backup.standby.receiving import Receiver
from kench.pool.clock import SystemClock
from kench.pool.journal import Batch, JournalWriter
from kench.pool.journal.mark import read_mark
from kench.pool.line_tls import TlsFiles
from kench.pool.settings import Settings
from kench.pool.shipping import Policy, Shipper
from kench.pool.shipping.frames import SHIPPING_VERSION, Kind, words_frame
from kench.pool.shipping.generation import heard_generation, read_generation, write_generation
from kench.pool.shipping.link import connect
from kench.pool.shipping.relay import SOCKET_NAME
from kench.pool.shipping.shipper import Mode, WhenAway
from tests.support import certificates
from tests.support.records import archived_job, raw_records
from tests.support.waiting import await_that

Line = dict[str, TlsFiles]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Certificates of the line's authority, and one of a stranger's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "HOST", "localhost")
        found = {}
        for name in ("own", "stranger"):
            folder = tmp_path_factory.mktemp(name)
            authority = certificates.authority(folder)
            found[name] = TlsFiles(*authority.issue(), folder / "ca.pem", "standby")
        yield found


@pytest.mark.parametrize("who", ["own", "stranger"])
def test_only_a_front_with_a_certificate_of_the_lines_authority_ships(
    who: str, line: Line, tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path, "127.0.0.1:0", line["own"], SystemClock())
    receiver.start()
    theirs = line[who]._replace(authority=line["own"].authority)
    policy = Policy(f"localhost:{receiver.address[1]}", Mode.SYNC, WhenAway.SERVE, 2.0, theirs)
    here = tmp_path / "here"
    shipper = Shipper(here, 0, policy, 1, SystemClock(), pytest.fail)
    writer = JournalWriter(here / "journal/0", 0, SystemClock(), 1 << 30, 3600, shipper)
    shipper.start(writer.reached)
    writer.start(lambda _batch: None, lambda _error: None, pytest.fail)
    try:
        if who == "own":
            await_that(lambda: bool(shipper.state()["together"]))
            writer.hand_over(Batch([archived_job()], raw_records(0, 5), 5, 1))
            await_that(lambda: read_mark(tmp_path / "journal/0").records == 5)
        else:
            await_that(lambda: shipper.state()["why"] not in {None, "not connected yet"})
            assert not (tmp_path / "journal").exists()
    finally:
        writer.stop()
        shipper.stop()
        receiver.stop()


def startup(*words: str) -> bytes:
    body = b"".join(f"{word}\0".encode() for word in words) + b"\0"
    return struct.pack("!II", len(body) + 8, 3 << 16) + body


def test_the_database_is_lent_for_copying_alone(line: Line, tmp_path: Path) -> None:
    own = line["own"]
    settings = Settings(
        data_dir=tmp_path, postgres_listen="127.0.0.1:0", standby_certificate=own.certificate,
        standby_key=own.key, standby_authority=own.authority,
    )  # fmt: skip
    database = socket.socket(socket.AF_UNIX)
    database.bind(str(tmp_path / SOCKET_NAME))
    database.listen()
    database.settimeout(5)
    relay, at = lend(settings, tmp_path)
    relay.start()
    try:
        port = int(at.rpartition(":")[2])
        for hello in (
            startup("user", "kench", "database", "kench"),
            startup("user", "kench_replica", "user", "kench"),
            struct.pack("!II", 8, 80877103),
            b"\xff" * 64,
        ):
            with connected(port, own) as stranger:
                stranger.sendall(hello)
                assert stranger.recv(1) == b""
        wanted = startup("user", "kench_replica", "replication", "true")
        with connected(port, own) as standby:
            standby.sendall(wanted)
            # The first that comes through at all.
            opened, _ = database.accept()
            with opened:
                assert opened.recv(1000) == wanted
                opened.sendall(b"stream")
                assert standby.recv(100) == b"stream"
        theirs = line["stranger"]._replace(authority=own.authority)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            speak(port, theirs, wanted)
    finally:
        relay.stop()
        database.close()


def speak(port: int, tls: TlsFiles, words: bytes) -> None:
    with connected(port, tls) as opened:
        opened.sendall(words)
        if not opened.recv(1):
            raise ConnectionResetError


def connected(port: int, tls: TlsFiles) -> ssl.SSLSocket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=5)
    return tls.context(server=False).wrap_socket(opened, server_hostname="localhost")


def test_a_machine_that_leads_notes_who_replaced_it_and_keeps_its_own_generation(
    tmp_path: Path,
) -> None:
    write_generation(tmp_path, 3)
    receiver = Receiver(tmp_path, "127.0.0.1:0", None, SystemClock(), leads=True)
    receiver.start()
    try:
        link = connect(f"127.0.0.1:{receiver.address[1]}", None, 5.0)
        hello = {"version": SHIPPING_VERSION, "generation": 4, "instance": 0, "mode": "sync"}
        link.send(words_frame(Kind.HELLO, hello))
        assert link.receive()[0] is Kind.REFUSED
        link.close()
    finally:
        receiver.stop()
    assert read_generation(tmp_path) == 3
    assert heard_generation(tmp_path) == 4
