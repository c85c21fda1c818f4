"""Certificates: which pairs serve, and what is said of those that do not."""

import subprocess
import time
from pathlib import Path

import pytest

from kench.stratum.certificate import Certificate, CertificateError, read_pair
from tests.support.certificates import Authority, authority


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


def test_a_pair_serves_until_the_day_it_names(issuer: Authority) -> None:
    _, expires_at_s = read_pair(*issuer.issue("month", days=30))
    assert abs(expires_at_s - time.time() - 30 * 86_400) < 600


def test_a_pair_that_has_expired_still_serves_and_says_when(issuer: Authority) -> None:
    certificate = Certificate(*issuer.issue("old", days=-1))
    certificate.look()
    assert certificate.context is not None
    assert certificate.expires_at_s is not None
    assert certificate.expires_at_s < time.time()


def test_files_that_do_not_change_are_not_read_again(issuer: Authority) -> None:
    certificate = issuer.served("still")
    context = certificate.context
    certificate.look()
    assert certificate.context is context


def test_a_changed_pair_is_taken_and_a_broken_one_is_not(issuer: Authority) -> None:
    certificate = issuer.served("changing")
    first = certificate.context
    paths = issuer.issue("changing")
    certificate.look()
    second = certificate.context
    assert second is not first
    whole = paths[0].read_bytes()
    for broken in (
        b"",
        whole[:-60],
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ):
        paths[0].write_bytes(broken)
        certificate.look()
        assert certificate.context is second
        assert certificate.fault is not None
        assert certificate.status()["why"] == certificate.fault
    paths[0].unlink()
    certificate.look()
    assert certificate.context is second
    assert str(paths[0]) in str(certificate.fault)
    paths[0].write_bytes(whole)
    certificate.look()
    assert certificate.fault is None


def test_between_two_files_that_are_changed_one_by_one_the_old_pair_serves(
    issuer: Authority,
) -> None:
    certificate = issuer.served("turning")
    old = certificate.context
    paths, fresh = issuer.issue("turning"), issuer.issue("fresh")
    certificate.look()
    old = certificate.context
    paths[0].write_bytes(fresh[0].read_bytes())
    certificate.look()
    assert certificate.context is old
    assert certificate.fault is not None
    paths[1].write_bytes(fresh[1].read_bytes())
    certificate.look()
    assert certificate.context is not old
    assert certificate.fault is None


def test_a_key_of_another_certificate_is_refused(issuer: Authority) -> None:
    with pytest.raises(CertificateError, match="do not serve"):
        read_pair(issuer.issue("one")[0], issuer.issue("other")[1])


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(
    issuer: Authority, tmp_path: Path
) -> None:
    certificate, key = issuer.issue("locked")
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    with pytest.raises(CertificateError, match="password"):
        read_pair(certificate, locked)


def test_a_key_where_a_certificate_should_be_is_no_certificate(issuer: Authority) -> None:
    _, key = issuer.issue("turned")
    with pytest.raises(CertificateError, match="holds no certificate"):
        read_pair(key, key)
