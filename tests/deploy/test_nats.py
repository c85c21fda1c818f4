"""The cluster's file: real servers with TLS take it, and each kind of machine may what it needs."""

import contextlib
import itertools
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.load.ports import free_ports
from kench.pool.clock import SystemClock
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterPlan, ClusterRefusedError
from kench.pool.nats.lease import Lease, bucket
from kench.pool.settings import Settings
from kench.pool.stream.layout import STREAM, ensure_stream, read_numbers
from kench.stratum.centre import bodies, outbox
from tests.support.nats import program
from tests.support.waiting import await_that

CONF = Path(__file__).parents[2] / "deploy/nats/nats-server.conf"
WAIT_S, READY_S = 5.0, 30.0
BYTES_MAX = 10_000_000
_serial = itertools.count(1)


class Authority:
    """Certifies servers and machines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kench line")])
        self.root = self._write("authority", self._key, self._name, [])

    def certify(self, name: str) -> tuple[Path, Path]:
        """Return certificate and key of `name`, good at loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._write(name, key, subject, [name, "localhost"])
        path = self.folder / f"{name}.key"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        return certificate, path

    def _write(
        self, file: str, key: ec.EllipticCurvePrivateKey, subject: x509.Name, names: list[str]
    ) -> Path:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self._name).public_key(key.public_key())
            .serial_number(next(_serial))
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        )  # fmt: skip
        if names:
            said = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(said, critical=False)
        path = self.folder / f"{file}.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("line"))


@pytest.fixture(scope="module")
def urls(authority: Authority) -> Iterator[tuple[str, ...]]:
    """Where three servers with the shipped file listen, each with its own places alone."""
    folder = authority.folder
    certificate, key = authority.certify("server.kench")
    ports, watched, routes = free_ports(3), free_ports(3), free_ports(3)
    with contextlib.ExitStack() as stack:
        for number in range(3):
            text = CONF.read_text()
            for shipped, here in (
                ("0.0.0.0:4222", f"127.0.0.1:{ports[number]}"),
                ("127.0.0.1:8222", f"127.0.0.1:{watched[number]}"),
                ("0.0.0.0:6222", f"127.0.0.1:{routes[number]}"),
                *((f"nats-{one + 1}.example:6222", f"localhost:{routes[one]}") for one in range(3)),
                ("/etc/nats/server.pem", str(certificate)),
                ("/etc/nats/server.key", str(key)),
                ("/etc/nats/authority.pem", str(authority.root)),
                ("/var/lib/nats", f"{folder}/store{number}"),
                ("10GB", "1GB"),
            ):
                assert shipped in text, shipped
                text = text.replace(shipped, here)
            conf = folder / f"{number}.conf"
            conf.write_text(text)
            process = subprocess.Popen(
                [program(), "-c", str(conf), "-l", str(folder / f"{number}.log")],
                env=os.environ | {"KENCH_NATS_NAME": f"nats-{number + 1}"},
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield tuple(f"tls://localhost:{port}" for port in ports)


@pytest.fixture(scope="module")
def machines(authority: Authority, urls: tuple[str, ...]) -> Iterator[dict[str, Cluster]]:
    """One of each kind, connected, with the journal's stream at three servers."""
    with contextlib.ExitStack() as stack:
        made = {}
        for kind in ("centre", "gather", "front"):
            certificate, key = authority.certify(f"{kind}.kench")
            plan = ClusterPlan(urls, kind, 3, certificate, key, authority.root)
            cluster = Cluster(plan).start()
            stack.callback(cluster.close)
            cluster.await_connected(READY_S)
            made[kind] = cluster
        deadline = time.monotonic() + READY_S
        while True:
            try:
                made["front"].ask(ensure_stream(made["front"], BYTES_MAX), WAIT_S)
            except (ClusterAwayError, ClusterRefusedError):
                # Servers that have just met choose who leads among them.
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                break
        yield made


def refused(cluster: Cluster, subject: str, body: bytes = b"{}") -> bool:
    """Whether the cluster leaves a request unanswered, as it does what is not permitted."""
    try:
        cluster.ask(cluster.client.request(subject, body, timeout=0.4), WAIT_S)
    except ClusterAwayError:
        return True
    return False


def test_each_kind_of_machine_does_its_work(machines: dict[str, Cluster]) -> None:
    front, gather, centre = machines["front"], machines["gather"], machines["centre"]
    gather.ask(ensure_stream(gather, BYTES_MAX), WAIT_S)
    taken = front.ask(front.jetstream.publish("kench.journal.3", b"batch"), WAIT_S)
    assert taken.seq == 1
    assert gather.ask(read_numbers(gather), WAIT_S) == [3]
    lease = Lease(centre, "job-maker", "centre-1", 5.0, SystemClock())
    assert lease.turn()
    numbers = centre.ask(bucket(centre, "kench-numbers"), WAIT_S)
    assert numbers is not None

    async def number() -> int:
        return await (await bucket(front, "kench-numbers")).put("7", b"front-1")

    assert front.ask(number(), WAIT_S) > 0
    heard: list[bytes] = []

    async def hear() -> None:
        async def keep(message: object) -> None:
            heard.append(getattr(message, "data", b""))

        await front.client.subscribe("kench.jobs.current", cb=keep)
        await front.client.flush()

    front.ask(hear(), WAIT_S)
    centre.ask(centre.client.publish("kench.jobs.current", b"job"), WAIT_S)
    await_that(lambda: heard == [b"job"], WAIT_S)


def test_an_archive_alone_says_what_it_lacks_and_machines_hear_it(
    machines: dict[str, Cluster],
) -> None:
    heard: dict[str, list[bytes]] = {"front": [], "centre": []}

    async def hear(role: str) -> None:
        async def keep(message: object) -> None:
            heard[role].append(getattr(message, "data", b""))

        await machines[role].client.subscribe("kench.lacks.*", cb=keep)
        await machines[role].client.flush()

    async def say(role: str) -> None:
        await machines[role].client.publish("kench.lacks.7", role.encode())
        await machines[role].client.flush()

    for role in heard:
        machines[role].ask(hear(role), WAIT_S)
    for role in ("front", "centre", "gather"):
        machines[role].ask(say(role), WAIT_S)
    await_that(lambda: heard == {"front": [b"gather"], "centre": [b"gather"]}, WAIT_S)


def test_a_machine_that_serves_miners_makes_no_jobs_hears_no_journal_and_takes_nothing_away(
    machines: dict[str, Cluster],
) -> None:
    front, centre = machines["front"], machines["centre"]
    heard: list[object] = []

    async def listen() -> None:
        async def keep(message: object) -> None:
            heard.append(message)

        for subject in ("kench.journal.>", "kench.>", ">", "_INBOX.>", "_INBOX.gather-kench.>"):
            await front.client.subscribe(subject, cb=keep)
        await front.client.flush()

    front.ask(listen(), WAIT_S)
    machines["gather"].ask(machines["gather"].client.publish("kench.journal.9", b"x"), WAIT_S)
    # Its answer goes to who asked, and to nobody else.
    assert 3 in machines["gather"].ask(read_numbers(machines["gather"]), WAIT_S)
    for subject in (
        f"$JS.API.STREAM.DELETE.{STREAM}", f"$JS.API.STREAM.PURGE.{STREAM}",
        f"$JS.API.STREAM.UPDATE.{STREAM}", f"$JS.API.STREAM.MSG.DELETE.{STREAM}",
        f"$JS.API.CONSUMER.CREATE.{STREAM}",
    ):  # fmt: skip
        assert refused(front, subject), subject
    assert heard == []
    jobs: list[bytes] = []

    async def watch() -> None:
        async def keep(message: object) -> None:
            jobs.append(getattr(message, "data", b""))

        await centre.client.subscribe("kench.jobs.current", cb=keep)
        await centre.client.flush()

    async def post(by: Cluster, job: bytes) -> None:
        await by.client.publish("kench.jobs.current", job)
        await by.client.flush()

    centre.ask(watch(), WAIT_S)
    front.ask(post(front, b"forged"), WAIT_S)
    centre.ask(post(centre, b"true"), WAIT_S)
    await_that(lambda: b"true" in jobs, WAIT_S)
    assert jobs == [b"true"]
    with pytest.raises((ClusterAwayError, ClusterRefusedError)):
        Lease(front, "job-maker", "front-1", 1.0, SystemClock())._put(b"{}", 0)


def test_the_streams_fit_into_what_a_server_may_keep() -> None:
    found = re.search(r"max_file_store: (\d+)GB", CONF.read_text())
    assert found
    journals = Settings.model_fields["journal_stream_bytes"].default
    # Leases, numbers, the current job are some kilobytes each.
    others = bodies.STREAM_BYTES_MAX + outbox.STREAM_BYTES_MAX + (1 << 26)
    kept = int(found[1]) * 1_000_000_000
    assert journals + others < kept < 2 * journals


def test_an_archive_leads_nothing_and_deletes_no_stream(machines: dict[str, Cluster]) -> None:
    gather = machines["gather"]
    for subject in (f"$JS.API.STREAM.DELETE.{STREAM}",
                    "$JS.API.STREAM.INFO.KENCH_JOBS", "$KV.kench-leases.job-maker"):  # fmt: skip
        assert refused(gather, subject), subject


def test_a_certificate_of_no_name_that_is_known_and_one_of_strangers_stay_outside(
    authority: Authority, urls: tuple[str, ...], tmp_path: Path
) -> None:
    unknown = authority.certify("somebody.kench")
    stranger = Authority(tmp_path).certify("front.kench")
    for certificate, key in (unknown, stranger):
        plan = ClusterPlan(urls, "nobody", 1, certificate, key, authority.root)
        cluster = Cluster(plan).start()
        try:
            with pytest.raises(ClusterAwayError):
                cluster.await_connected(1.0)
        finally:
            cluster.close()
