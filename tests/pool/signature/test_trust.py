"""Roots and revocation lists come from files, PEM or DER; what cannot be used is named."""

from pathlib import Path

import pytest

from kench.pool.signature.trust import TrustError, read_trust
from tests.support.pki import Authority, der, key_of, pem


def test_files_and_folders_are_read_in_both_forms(tmp_path: Path) -> None:
    one, two = Authority(), Authority("Second", key=key_of("second"))
    folder = tmp_path / "roots"
    folder.mkdir()
    (folder / "one.pem").write_bytes(pem(one.certificate) + pem(two.certificate))
    (folder / "two.cer").write_bytes(der(two.certificate))
    (tmp_path / "one.crl").write_bytes(der(one.crl()))
    (tmp_path / "both.pem").write_bytes(pem(one.crl()) + pem(two.crl()))
    trust = read_trust([folder], [tmp_path / "one.crl", tmp_path / "both.pem"])
    assert [len(trust.roots), len(trust.crls)] == [3, 3]


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    root = Authority()
    good, person, bad = tmp_path / "good.pem", tmp_path / "person.pem", tmp_path / "bad"
    good.write_bytes(pem(root.certificate))
    person.write_bytes(pem(root.person().certificate))
    with pytest.raises(TrustError, match="KENCH_SIGNATURE_ROOTS"):
        read_trust([], [])
    with pytest.raises(TrustError, match="cannot be read"):
        read_trust([tmp_path / "none"], [])
    with pytest.raises(TrustError, match="cannot be read"):
        read_trust([tmp_path / ("x" * 300)], [])
    with pytest.raises(TrustError, match="is no authority"):
        read_trust([good, person], [])
    for content in (b"", b"x", b"\x30\x00", der(root.certificate)[:-1], bytes(100),
                    b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"):  # fmt: skip
        bad.write_bytes(content)
        with pytest.raises(TrustError, match="SIGNATURE_ROOTS"):
            read_trust([bad], [])
        with pytest.raises(TrustError, match="SIGNATURE_CRLS"):
            read_trust([good], [bad])
    bad.write_bytes(der(root.certificate))
    with pytest.raises(TrustError, match="SIGNATURE_CRLS"):
        read_trust([good], [bad])
