"""The responder answers as openssl asks, by POST and GET, and says revoked at once."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from kench.pki.authority import ROOT_FILE, Authority, make_authority
from kench.pki.people import Duty, Kind
from kench.pki.server import REQUEST_BYTES_MAX, PkiServer, answer_of
from kench.pool.clock import SystemClock
from tests.support.pki import PIN, SECOND_PIN
from tests.support.web_servers import serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = make_authority(tmp_path_factory.mktemp("pki") / "pki", SystemClock())
    made.issue("Good", PIN, kind=Kind.EC, duty=Duty.PARTICIPANT, stem="good")
    made.issue("Gone", SECOND_PIN, kind=Kind.EC, duty=Duty.PARTICIPANT, stem="gone")
    (made.folder / "kept-gone.pem").write_bytes((made.folder / "gone.pem").read_bytes())
    made.revoke("gone")
    return made


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[str]:
    with serving(PkiServer(authority).app) as at:
        yield at


def asked(folder: Path, url: str, certificate: str) -> str:
    done = subprocess.run(
        ["openssl", "ocsp", "-issuer", ROOT_FILE, "-CAfile", ROOT_FILE, "-cert", certificate,
         "-url", f"{url}/ocsp"],
        cwd=folder, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert "Response verify OK" in done.stderr
    assert "WARNING" not in done.stderr, "the nonce came back"
    return done.stdout


def test_openssl_is_told_who_is_good_revoked_and_unknown(
    authority: Authority, url: str, tmp_path: Path
) -> None:
    assert "good.pem: good" in asked(authority.folder, url, "good.pem")
    assert "kept-gone.pem: revoked" in asked(authority.folder, url, "kept-gone.pem")
    assert "root.pem: unknown" in asked(authority.folder, url, "root.pem")


def question(authority: Authority, issuer: Authority) -> bytes:
    certificate = x509.load_pem_x509_certificate((authority.folder / "good.pem").read_bytes())
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - only this needs it

    builder = ocsp.OCSPRequestBuilder().add_certificate(
        certificate, issuer.certificate, hashes.SHA256()
    )
    return builder.build().public_bytes(serialization.Encoding.DER)


def test_it_answers_by_get_and_not_about_others_or_to_noise(
    authority: Authority, url: str, tmp_path: Path
) -> None:
    asking = question(authority, authority)
    came = httpx.get(f"{url}/ocsp/{base64.b64encode(asking).decode().replace('/', '%2F')}")
    good = ocsp.load_der_ocsp_response(came.content)
    assert good.certificate_status is ocsp.OCSPCertStatus.GOOD
    stranger = make_authority(tmp_path / "other", SystemClock())
    refused = ocsp.load_der_ocsp_response(answer_of(authority, question(authority, stranger)))
    assert refused.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    noise = ocsp.load_der_ocsp_response(answer_of(authority, b"noise"))
    assert noise.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    for wrong in ("%%%", "%FF%FE"):
        assert httpx.get(f"{url}/ocsp/{wrong}").status_code == 400
    big = b"x" * (REQUEST_BYTES_MAX + 1)
    assert httpx.post(f"{url}/ocsp", content=big).status_code == 413


def test_the_list_is_served_in_der(authority: Authority, url: str) -> None:
    read = x509.load_der_x509_crl(httpx.get(f"{url}/crl").content)
    assert read.is_signature_valid(authority.key.public_key())
    assert len(list(read)) == 1
    root = x509.load_der_x509_certificate(httpx.get(f"{url}/root").content)
    assert root == authority.certificate
