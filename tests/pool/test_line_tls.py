"""Certificates of a line: what cannot be used is said by its settings, whichever line it is."""

import ssl
from pathlib import Path

import pytest

from kench.pool.line_tls import TlsFiles, TlsFilesError
from kench.pool.nats.cluster import Cluster, ClusterPlan
from tests.support import certificates

LINES = ("nats", "standby")


@pytest.fixture
def issued(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Certificate, key, authority."""
    authority = certificates.authority(tmp_path)
    certificate, key = authority.issue()
    return certificate, key, tmp_path / "ca.pem"


@pytest.mark.parametrize("line", LINES)
def test_both_ends_show_a_certificate_by_tls_1_3(
    line: str, issued: tuple[Path, Path, Path]
) -> None:
    for server in (False, True):
        made = TlsFiles(*issued, line).context(server=server)
        assert made.verify_mode is ssl.CERT_REQUIRED
        assert made.minimum_version is ssl.TLSVersion.TLSv1_3
        assert made.check_hostname is not server


@pytest.mark.parametrize("line", LINES)
def test_a_key_that_others_may_read_is_refused_by_the_names_of_its_settings(
    line: str, issued: tuple[Path, Path, Path]
) -> None:
    issued[1].chmod(0o644)
    words = f"KENCH_{line.upper()}_CERTIFICATE, _KEY.*others may read.*chmod 600"
    with pytest.raises(TlsFilesError, match=words):
        TlsFiles(*issued, line).context()


def test_the_cluster_says_at_start_what_of_its_certificates_cannot_be_used(
    tmp_path: Path, issued: tuple[Path, Path, Path]
) -> None:
    certificate, key, authority = issued
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    broken.chmod(0o600)
    for files in ((broken, broken, broken), (certificate, broken, authority)):
        with pytest.raises(TlsFilesError, match="KENCH_NATS_CERTIFICATE"):
            Cluster(ClusterPlan(("tls://127.0.0.1:9",), "tests", 1, *files))
    key.chmod(0o640)
    with pytest.raises(TlsFilesError, match="others may read"):
        Cluster(ClusterPlan(("tls://127.0.0.1:9",), "tests", 1, certificate, key, authority))
