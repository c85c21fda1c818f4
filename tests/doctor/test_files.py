"""Certificates and secrets: what ended, does not belong together, or is open to others."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kench.doctor.files import check_certificates, check_secrets
from kench.doctor.finding import Level
from kench.pool.clock import ManualClock
from kench.pool.settings import Settings

CLOCK = ManualClock()
_serial = itertools.count(1)


def made(folder: Path, days: int) -> tuple[Path, Path]:
    """A certificate that ends in so many days of CLOCK, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pool.example")])
    now = datetime.fromtimestamp(CLOCK.now_us() / 1e6, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(next(_serial))
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / f"{days}.pem", folder / f"{days}.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    paths[1].chmod(0o600)
    return paths


@pytest.mark.parametrize(
    ("days", "level"), [(90, Level.OK), (20, Level.WARN), (2, Level.BAD), (-5, Level.BAD)]
)
def test_a_certificate_is_judged_by_its_days(tmp_path: Path, days: int, level: Level) -> None:
    certificate, key = made(tmp_path, days)
    settings = Settings(data_dir=tmp_path, tls_certificate=certificate, tls_key=key)
    (found,) = check_certificates(settings, CLOCK)
    assert (found.check, found.level) == ("tls_certificate", level)
    assert ("ended" in found.says) is (days < 0)


def test_a_key_of_another_certificate_and_a_file_that_is_none_are_bad(tmp_path: Path) -> None:
    certificate, _ = made(tmp_path, 90)
    _, key = made(tmp_path, 80)
    settings = Settings(data_dir=tmp_path, tls_certificate=certificate, tls_key=key)
    found = list(check_certificates(settings, CLOCK))
    assert found[-1].level is Level.BAD
    assert "do not belong together" in found[-1].says
    certificate.write_text("no certificate")
    (found_none,) = check_certificates(settings, CLOCK)
    assert found_none.level is Level.BAD


def test_a_folder_of_authorities_is_as_good_as_its_shortest(tmp_path: Path) -> None:
    roots = tmp_path / "authorities"
    roots.mkdir()
    settings = Settings(data_dir=tmp_path, signature_roots=(roots,))
    assert [one.level for one in check_certificates(settings, CLOCK)] == [Level.BAD]
    for days in (400, 10):
        _, key = made(roots, days)
        key.unlink()
    (found,) = check_certificates(settings, CLOCK)
    assert found.level is Level.WARN
    assert found.says.startswith("2 in ")


def test_a_secret_that_others_may_read_is_bad(tmp_path: Path) -> None:
    certificate, key = made(tmp_path, 90)
    settings = Settings(data_dir=tmp_path, tls_certificate=certificate, tls_key=key)
    store = tmp_path / "credstore"
    store.mkdir(mode=0o700)
    secret = store / "kench.settle.database_url"
    secret.touch(mode=0o600)
    (well,) = check_secrets(settings, store)
    assert well.level is Level.OK
    assert well.says.startswith("2 files")
    secret.chmod(0o644)
    key.chmod(0o640)
    store.chmod(0o755)
    found = list(check_secrets(settings, store))
    assert {one.level for one in found} == {Level.BAD}
    mended = {one.mend.split("`")[1].split()[-1] for one in found}
    assert mended == {str(secret), str(key), str(store)}
