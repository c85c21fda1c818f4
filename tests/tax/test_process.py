"""`kench tax` as a process: it serves the security server alone, and says how it is beside."""

import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from kench.tax.serving import CONNECTIONS_MAX
from tests.support.root_process import running_root
from tests.support.tax import CLIENT, new_id


def self_signed(folder: Path, name: str) -> Path:
    """A certificate with its key, as security servers make them; returns the certificate's path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").touch(0o600)
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return folder / f"{name}.pem"


@contextlib.contextmanager
def asking(ours: Path, shown: Path | None) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(ours))
    if shown is not None:
        context.load_cert_chain(shown, shown.with_suffix(".key"))
    with httpx.Client(verify=context, trust_env=False, timeout=20) as client:
        yield client


def test_only_the_security_server_is_served(database: str, tmp_path: Path) -> None:
    ours, security_server = self_signed(tmp_path, "ours"), self_signed(tmp_path, "ss")
    stranger = self_signed(tmp_path, "stranger")
    variables = {
        "KENCH_DATA": str(tmp_path / "data"), "KENCH_DATABASE_URL": database,
        "KENCH_TAX_PORT": "0", "KENCH_TAX_METRICS_PORT": "0", "KENCH_TAX_HOST": "localhost",
        "KENCH_TAX_CERTIFICATE": str(ours), "KENCH_TAX_KEY": str(ours.with_suffix(".key")),
        "KENCH_TAX_CLIENT_CA": str(security_server),
        "KENCH_TAX_CLIENTS": f'[{{"client": "{CLIENT}", "may": ["periods"]}}]',
    }  # fmt: skip
    with running_root("kench.tax", tmp_path / "tax.log", variables) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        watched = process.stdout.readline().split()[-1]
        assert process.stdout.readline() == "kench tax: ready\n"
        headers = {"X-Road-Client": CLIENT, "X-Road-Id": new_id()}
        with asking(ours, security_server) as client:
            answer = client.get(f"{url}/v1/periods", headers=headers)
        assert answer.json() == {"periods": []}
        assert "server" not in answer.headers
        for wrong in (None, stranger):
            with asking(ours, wrong) as client, pytest.raises(httpx.HTTPError):
                client.get(f"{url}/v1/periods", headers=headers)
        # Whoever fills the other port keeps nobody from this one.
        place = urlsplit(watched)
        with contextlib.ExitStack() as held:
            for _ in range(CONNECTIONS_MAX + 1):
                many = socket.create_connection((place.hostname, place.port), timeout=20)
                held.enter_context(many)
            headers = {"X-Road-Client": CLIENT, "X-Road-Id": new_id()}
            with asking(ours, security_server) as client:
                assert client.get(f"{url}/v1/periods", headers=headers).is_success
        assert httpx.get(f"{watched}/healthz", trust_env=False).json() == {"serves": True}
        assert "kench_tax_requests_total{" in httpx.get(f"{watched}/metrics", trust_env=False).text
        process.terminate()
        assert process.wait(20) == 0
