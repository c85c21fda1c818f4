"""The demo's officers sign as real ones do, and nobody outside the folder could."""

from pathlib import Path

import pytest

from kench.pki.people import Duty
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.trust import read_trust
from kench.pool.signature.verifier import SignatureRefusedError
from kench.up.pki import CRL_FILE, ROOT_FILE, DemoPki, demo_pki, ready_people

CONTENT = b"an order\n"
NOW_US = SystemClock().now_us()


def verifier(pki: DemoPki) -> CmsVerifier:
    roots, crls = pki.folder / ROOT_FILE, pki.folder / CRL_FILE
    return CmsVerifier(read_trust([roots], [crls]), read_patterns([r"2.5.4.5=PNOKG-(\d{14})"]))


def test_both_officers_sign_and_are_two_persons(tmp_path: Path) -> None:
    pki = demo_pki(tmp_path / "pki", ManualClock(NOW_US))
    signers = [verifier(pki).verify(CONTENT, one.sign(CONTENT), NOW_US) for one in pki.officers]
    assert [one.pin for one in signers] == [one.pin for one in pki.officers]
    assert [one.name for one in signers] == ["Demo Officer One", "Demo Officer Two"]
    assert len({one.pin for one in signers}) == 2


def test_it_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    pki = demo_pki(tmp_path / "pki", clock)
    before = {path.name: path.read_bytes() for path in pki.folder.iterdir()}
    assert pki.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in pki.folder.iterdir()} == {0o600}
    again = demo_pki(pki.folder, clock)
    assert {path.name: path.read_bytes() for path in again.folder.iterdir()} == before
    assert len([name for name in before if name.endswith(".p12")]) == 2


def test_one_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    pki = demo_pki(tmp_path / "pki", clock)
    (pki.folder / "crl.pem").unlink()
    whole = demo_pki(pki.folder, clock)
    assert verifier(whole).verify(CONTENT, whole.officers[0].sign(CONTENT), NOW_US)


def test_officers_of_another_folder_are_not_trusted(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    ours, theirs = demo_pki(tmp_path / "a", clock), demo_pki(tmp_path / "b", clock)
    with pytest.raises(SignatureRefusedError):
        verifier(ours).verify(CONTENT, theirs.officers[0].sign(CONTENT), NOW_US)


def test_participants_to_be_have_ready_files_of_either_kind_of_key(tmp_path: Path) -> None:
    pki = demo_pki(tmp_path / "pki", ManualClock(NOW_US))
    assert ready_people(pki)
    people = pki.authority.holders(Duty.PARTICIPANT)
    assert [one.stem for one in people] == [
        "participant-one-rsa", "participant-two-rsa", "participant-three-ec",
    ]  # fmt: skip
    for one in people:
        signer = verifier(pki).verify(CONTENT, one.sign(CONTENT), NOW_US)
        assert (signer.pin, signer.name) == (one.pin, one.name)
    before = {path.name: path.read_bytes() for path in pki.folder.iterdir()}
    assert ready_people(demo_pki(pki.folder, ManualClock(NOW_US)))
    assert {path.name: path.read_bytes() for path in pki.folder.iterdir()} == before


def test_a_folder_of_an_earlier_version_keeps_its_officers(tmp_path: Path) -> None:
    """Orders that they signed are in force, so they must not become others."""
    pki = demo_pki(tmp_path / "pki", ManualClock(NOW_US))
    for one in pki.officers:
        for path in (one.certificate_path, one.key_path):
            path.rename(path.with_stem(one.pin))
        one.p12_path.unlink()
    (pki.folder / "root.key").unlink()
    (pki.folder / "issued.json").unlink()
    again = demo_pki(pki.folder, ManualClock(NOW_US))
    assert not ready_people(again)
    officer = again.officers[0]
    assert verifier(again).verify(CONTENT, officer.sign(CONTENT), NOW_US).pin == officer.pin
