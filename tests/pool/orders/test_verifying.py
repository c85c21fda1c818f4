"""Whose signatures count is what the settings say; the demo's officers count on regtest alone."""

from pathlib import Path

import pytest

from kench.pool.clock import SystemClock
from kench.pool.orders.document import canonical
from kench.pool.orders.verifying import verifier_of
from kench.pool.settings_file import read_settings
from kench.pool.signature.trust import TrustError
from kench.pool.signature.verifier import SignatureRefusedError
from kench.up.pki import demo_pki
from tests.support.orders import content_of
from tests.support.pki import PIN
from tests.support.registers import ACCEPTED_US, officers, trust_settings

FEE = {"fee": {"pool_ppm": 1}}
ORDER = canonical(content_of(1, FEE))


def test_roots_and_lists_of_the_settings_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in trust_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    verifier = verifier_of(read_settings(data_dir=tmp_path))
    assert verifier.verify(ORDER, officers()[0].sign(ORDER), ACCEPTED_US).pin == PIN


def test_without_roots_nothing_is_trusted(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="KENCH_SIGNATURE_ROOTS"):
        verifier_of(read_settings(data_dir=tmp_path))


def test_the_demos_officers_sign_for_regtest_alone(tmp_path: Path) -> None:
    settings, clock = read_settings(data_dir=tmp_path), SystemClock()
    pki = demo_pki(settings.demo_pki_directory, clock)
    named = read_settings(data_dir=tmp_path, signature_roots=(pki.folder / "root.pem",))
    for verifier in (verifier_of(settings), verifier_of(named)):
        for officer in pki.officers:
            signer = verifier.verify(ORDER, officer.sign(ORDER), clock.now_us())
            assert signer.pin == officer.pin
        other = canonical(content_of(1, FEE, network="main"))
        with pytest.raises(SignatureRefusedError, match="regtest alone"):
            verifier.verify(other, pki.officers[0].sign(other), clock.now_us())


@pytest.mark.parametrize("network", ["main", None])
def test_nor_do_they_sign_documents_without_a_network_about_other_coins(
    tmp_path: Path, network: str | None
) -> None:
    settings, clock = read_settings(data_dir=tmp_path), SystemClock()
    officer = demo_pki(settings.demo_pki_directory, clock).officers[0]
    signature = officer.sign(b"sell it")
    demo = verifier_of(settings, lambda _document: "regtest")
    assert demo.verify(b"sell it", signature, clock.now_us()).pin == officer.pin
    with pytest.raises(SignatureRefusedError, match="regtest alone"):
        verifier_of(settings, lambda _document: network).verify(
            b"sell it", signature, clock.now_us()
        )
