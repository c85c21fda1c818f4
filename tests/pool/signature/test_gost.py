"""GOST signatures are held to all rules that hold for others; where no engine is, skipped."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, core, pem, tsp
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from asn1crypto.keys import PublicKeyInfo

from kench.pool.clock import ManualClock
from kench.pool.orders.verifying import suites_of
from kench.pool.settings import Settings
from kench.pool.signature import gost as module
from kench.pool.signature.gost import KINDS, OpensslGost
from kench.pool.signature.lists import FreshLists
from kench.pool.signature.suite import SuiteFailedError
from kench.pool.signature.trust import TrustError, read_trust
from kench.pool.signature.verifier import SignatureRefusedError
from tests.support.gost import (
    OPENSSL,
    GostAuthority,
    GostKey,
    GostPerson,
    engine,
    gost_key,
    gost_verifier,
    openssl,
)
from tests.support.pki import NOW, NOW_US, PIN, Authority, der
from tests.support.pki import pem as pem_of

CONTENT = b"I enter\n"


@pytest.fixture(scope="module")
def root() -> GostAuthority:
    engine()
    return GostAuthority()


@pytest.fixture(scope="module")
def person(root: GostAuthority) -> GostPerson:
    return root.person()


@pytest.fixture(scope="module")
def good(person: GostPerson) -> bytes:
    return person.sign(CONTENT)


def refused(root: GostAuthority, signature: bytes, said: str, *crls: bytes) -> None:
    with pytest.raises(SignatureRefusedError, match=said):
        root.verifier(*crls).verify(CONTENT, signature, NOW_US)


@pytest.mark.parametrize(
    ("kind", "parameters"), [("gost2012_256", "TCA"), ("gost2012_512", "A"), ("gost2012_512", "C")]
)
def test_both_sizes_are_taken_and_the_check_can_be_done_again(
    kind: str, parameters: str, root: GostAuthority
) -> None:
    signature = root.person(gost_key(f"{kind} {parameters}", kind, parameters)).sign(CONTENT)
    signer = root.verifier().verify(CONTENT, signature, NOW_US)
    assert (signer.pin, len(signer.evidence.certificates), len(signer.evidence.crls)) == (PIN, 2, 1)
    later = root.verifier(root.crl(days=(300, 330)))
    assert later.verify(CONTENT, signature, NOW_US, signer.evidence) == signer


def test_without_the_setting_no_gost_signature_counts(root: GostAuthority, good: bytes) -> None:
    with pytest.raises(SignatureRefusedError, match="unknown"):
        root.verifier(gost=False).verify(CONTENT, good, NOW_US)
    assert suites_of(Settings()) == ()
    assert len(suites_of(Settings(signature_gost="openssl"))) == 1


def test_rsa_and_ecdsa_are_checked_as_before_where_gost_is_on(root: GostAuthority) -> None:
    other = Authority("Other Root")
    verifier = gost_verifier(der(other.certificate), [der(other.crl())])
    assert verifier.verify(CONTENT, other.person().sign(CONTENT), NOW_US).pin == PIN


def test_an_intermediate_authority_is_followed_and_needs_its_own_list(root: GostAuthority) -> None:
    middle = GostAuthority("GOST Middle", root)
    signature = middle.person().sign(CONTENT)
    both = gost_verifier(root.certificate, [root.crl(), middle.crl()])
    assert len(both.verify(CONTENT, signature, NOW_US).evidence.certificates) == 3
    refused(root, signature, "revocation", root.crl())
    refused(root, signature, "revoked", root.crl(middle.certificate), middle.crl())


def test_what_the_command_alone_made_is_taken(tmp_path: Path) -> None:
    """Key, root, certificate, list and signature as an authority's own tools make them."""
    engine()
    new = ("-engine", "gost", "-newkey", "gost2012_256", "-pkeyopt", "paramset:B", "-nodes")
    (tmp_path / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\n[dn]\n[ca]\ndefault_ca=ours\n[ours]\ndatabase=index\n"
        "default_md=md_gost12_256\ndefault_crl_days=3\n[v3]\nbasicConstraints=critical,CA:true\n"
        "keyUsage=critical,keyCertSign,cRLSign\n[person]\nkeyUsage=critical,nonRepudiation\n"
    )
    (tmp_path / "index").touch()
    root_args = ("-x509", "-subj", "/CN=R", "-extensions", "v3", "-config", "ca.cnf", "-days", "9")
    openssl(tmp_path, "req", *new, "-md_gost12_256", *root_args, "-keyout", "k", "-out", "r")
    openssl(tmp_path, "req", *new, "-subj", f"/CN=P/serialNumber=PNOKG-{PIN}", "-config", "ca.cnf",
            "-keyout", "pk", "-out", "w")  # fmt: skip
    openssl(tmp_path, "x509", "-engine", "gost", "-req", "-in", "w", "-CA", "r", "-CAkey", "k",
            "-md_gost12_256", "-days", "5", "-extfile", "ca.cnf", "-extensions", "person",
            "-set_serial", "7", "-out", "p")  # fmt: skip
    openssl(tmp_path, "ca", "-engine", "gost", "-config", "ca.cnf", "-gencrl", "-cert", "r",
            "-keyfile", "k", "-out", "l")  # fmt: skip
    (tmp_path / "content").write_bytes(CONTENT)
    signature = openssl(tmp_path, "cms", "-sign", "-engine", "gost", "-binary", "-in", "content",
                        "-cades", "-md", "md_gost12_256", "-signer", "p", "-inkey", "pk",
                        "-outform", "DER")  # fmt: skip
    trust = read_trust([tmp_path / "r"], [tmp_path / "l"])
    made = trust.crls[0]["tbs_cert_list"]["this_update"].native
    verifier = gost_verifier(trust.roots[0].dump(), [trust.crls[0].dump()])
    moment_us = (int(made.timestamp()) + 60) * 1_000_000
    assert verifier.verify(CONTENT, signature, moment_us).pin == PIN
    with pytest.raises(SignatureRefusedError, match="not valid at this time"):
        verifier.verify(CONTENT, signature, moment_us + 6 * 86_400_000_000)


def forged(
    person: GostPerson,
    change: Callable[[dict[str, Any], Any], None],
    *,
    key: GostKey | None = None,
) -> bytes:
    """The person's signature with its attributes changed, and signed again by `key` if given."""
    info = cms.ContentInfo.load(person.sign(CONTENT))
    signer = info["content"]["signer_infos"][0]
    attributes = {one["type"].native: one["values"] for one in signer["signed_attrs"]}
    change(attributes, signer)
    made = cms.CMSAttributes(
        [cms.CMSAttribute({"type": name, "values": values}) for name, values in attributes.items()]
    )
    signer["signed_attrs"] = made
    if key is not None:
        signer["signature"] = key.sign(made.dump(force=True))
    der_made: bytes = info.dump(force=True)
    return der_made


def ess(algorithm: str, digest: bytes) -> list[Any]:
    named = tsp.ESSCertIDv2({"hash_algorithm": {"algorithm": algorithm}, "cert_hash": digest})
    return [tsp.SigningCertificateV2({"certs": [named]})]


def set_to(name: str, values: list[Any]) -> Callable[[dict[str, Any], Any], None]:
    return lambda attributes, _signer: attributes.update({name: values})


def without(name: str) -> Callable[[dict[str, Any], Any], None]:
    return lambda attributes, _signer: attributes.pop(name) and None


def named(field: str, oid: str) -> Callable[[dict[str, Any], Any], None]:
    def change(_attributes: dict[str, Any], signer: Any) -> None:
        signer[field] = {"algorithm": oid}

    return change


OTHER = core.OctetString(hashlib.sha256(b"other").digest())
PROTECTION = cms.CMSAlgorithmProtection(
    {"digest_algorithm": {"algorithm": "sha256"},
     "signature_algorithm": cms.SignedDigestAlgorithm({"algorithm": KINDS[0].signature})}
)  # fmt: skip
FORGED: dict[str, tuple[str, Callable[[dict[str, Any], Any], None], bool]] = {
    "changed after signing": (
        "does not fit", set_to("signing_time", [cms.Time({"utc_time": NOW})]), False,
    ),
    "digest of other bytes": ("other bytes", set_to("message_digest", [OTHER]), True),
    "two digests": ("exactly one value", set_to("message_digest", [OTHER, OTHER]), True),
    "other content type": (
        "plain data", set_to("content_type", [cms.ContentType("signed_data")]), True,
    ),
    "no content type": ("no signed attribute content_type", without("content_type"), True),
    "no digest": ("no signed attribute message_digest", without("message_digest"), True),
    "no certificate named": (
        "no signed attribute signing_certificate_v2", without("signing_certificate_v2"), True,
    ),
    "another certificate named": (
        "another certificate",
        set_to("signing_certificate_v2", ess("sha256", hashlib.sha256(b"x").digest())), True,
    ),
    "another certificate named by gost": (
        "another certificate",
        set_to("signing_certificate_v2", ess(KINDS[0].digest, bytes(32))), True,
    ),
    "certificate named by sha1": (
        "weak digest", set_to("signing_certificate_v2", ess("sha1", bytes(20))), True,
    ),
    "certificate named by 34.11-94": (
        "weak digest",
        set_to("signing_certificate_v2", ess("1.2.643.2.2.9", bytes(32))), True,
    ),
    "digest 34.11-94": ("too weak", named("digest_algorithm", "1.2.643.2.2.9"), True),
    "digest sha256": ("too weak", named("digest_algorithm", "2.16.840.1.101.3.4.2.1"), True),
    "digest of the other size": (
        "another is signed with", named("digest_algorithm", KINDS[1].digest), True,
    ),
    "algorithm of the other size": (
        "another is signed with", named("signature_algorithm", KINDS[1].signature), True,
    ),
    "algorithm 34.10-2001": (
        "is too weak or unknown", named("signature_algorithm", "1.2.643.2.2.3"), True,
    ),
    "algorithm 34.10-94": (
        "is too weak or unknown", named("signature_algorithm", "1.2.643.2.2.20"), True,
    ),
    "an algorithm of nobody's": (
        "is too weak or unknown", named("signature_algorithm", "1.2.3.4"), True,
    ),
    "another algorithm protected": (
        ".", set_to("cms_algorithm_protection", [PROTECTION]), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_signature_that_was_forged_is_refused(
    name: str, root: GostAuthority, person: GostPerson
) -> None:
    said, change, again = FORGED[name]
    refused(root, forged(person, change, key=person.key if again else None), said)


def test_a_forged_one_that_changes_nothing_is_good(root: GostAuthority, person: GostPerson) -> None:
    same = forged(person, lambda _attributes, _signer: None, key=person.key)
    assert root.verifier().verify(CONTENT, same, NOW_US).pin == PIN
    twice = forged(person, named("signature_algorithm", KINDS[0].signature), key=person.key)
    assert root.verifier().verify(CONTENT, twice, NOW_US).pin == PIN


def test_a_signature_by_another_key_or_of_another_length_is_refused(
    root: GostAuthority, person: GostPerson, good: bytes
) -> None:
    keep: Callable[[dict[str, Any], Any], None] = lambda _attributes, _signer: None  # noqa: E731 - it stands in for a function
    refused(root, forged(person, keep, key=gost_key("thief")), "does not fit")
    for wrong in (b"", bytes(64), bytes(128)):
        info = cms.ContentInfo.load(good)
        info["content"]["signer_infos"][0]["signature"] = wrong
        refused(root, info.dump(force=True), "does not fit")
    with pytest.raises(SignatureRefusedError, match="other bytes"):
        root.verifier().verify(CONTENT + b" ", good, NOW_US)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-noattr",), "no signed attributes"),
        (("-nodetach", "-cades"), "make it detached"),
        (("-nocerts", "-cades"), "does not hold its certificate"),
        (("-econtent_type", "1.2.3.4", "-cades"), "plain data"),
    ],
)
def test_a_signature_that_lacks_something_is_refused(
    options: tuple[str, ...], said: str, root: GostAuthority, person: GostPerson
) -> None:
    refused(root, person.sign(CONTENT, *options), said)


def test_two_signers_in_one_signature_are_refused(root: GostAuthority, person: GostPerson) -> None:
    refused(root, person.sign(CONTENT, others=[root.person()]), "exactly one signer")


def test_revocation_is_known_or_the_signature_is_refused(
    root: GostAuthority, person: GostPerson, good: bytes
) -> None:
    refused(root, good, "revoked", root.crl(person.certificate))
    refused(root, good, "revocation", root.crl(signer=gost_key("thief")))
    refused(root, good, "revocation", root.crl(days=(-60, -30)))
    refused(root, good, "revocation", root.crl(days=(1, 30)))
    refused(root, good, "revocation", der(root.template.crl()))
    with pytest.raises(SignatureRefusedError, match="revocation"):
        gost_verifier(root.certificate, []).verify(CONTENT, good, NOW_US)


def test_a_certificate_that_may_not_sign_now_is_refused(root: GostAuthority) -> None:
    for days in ((-30, -1), (1, 30)):
        refused(root, root.person(days=days).sign(CONTENT), "not valid at this time")
    refused(root, root.person(usages=("key_encipherment",)).sign(CONTENT), "not for signing")
    refused(root, root.person(usages=("key_cert_sign", "crl_sign")).sign(CONTENT), ".")


def test_who_is_of_another_root_is_refused(root: GostAuthority, person: GostPerson) -> None:
    thief = GostAuthority("GOST Root", key=gost_key("thief"))
    refused(root, thief.person().sign(CONTENT), ".")
    refused(root, root.person(signer=gost_key("thief")).sign(CONTENT), ".")
    fake = GostPerson(person.certificate, gost_key("thief"))
    refused(root, forged(person, lambda _a, _s: None, key=fake.key), "does not fit")


@pytest.mark.parametrize(
    ("kind", "parameters"), [("gost2012_256", "0"), ("gost2001", "A"), ("gost2001", "0")]
)
def test_a_key_that_is_weak_or_for_tests_is_refused(
    kind: str, parameters: str, root: GostAuthority
) -> None:
    weak = root.person(gost_key(f"weak {kind} {parameters}", kind, parameters))
    refused(root, weak.sign(CONTENT), ".")


def test_a_certificate_signed_by_the_broken_digest_is_refused(root: GostAuthority) -> None:
    old = GostAuthority("GOST Old", key=gost_key("old", "gost2001"))
    new = old.person(gost_key("person"))
    with pytest.raises(SignatureRefusedError):
        gost_verifier(old.certificate, [old.crl()]).verify(CONTENT, new.sign(CONTENT), NOW_US)


def test_a_fetched_list_of_a_gost_root_is_checked_by_its_key(
    root: GostAuthority, tmp_path: Path
) -> None:
    roots = (asn1_x509.Certificate.load(root.certificate),)
    address = "http://127.0.0.1:9/list"
    folder = tmp_path / "lists"
    folder.mkdir()
    place = folder / f"{hashlib.sha256(address.encode()).hexdigest()[:32]}.crl"

    def kept(content: bytes, *, gost: bool = True) -> int:
        place.write_bytes(content)
        lists = FreshLists([], [address], roots=roots, clock=ManualClock(NOW_US), folder=folder,
                           suites=(engine(),) if gost else ())  # fmt: skip
        return sum(len(source.lists) for source in lists._sources)

    assert kept(root.crl()) == 1
    assert kept(root.crl(signer=gost_key("thief"))) == 0
    assert kept(root.crl(), gost=False) == 0
    assert kept(pem_of(root.template.crl())) == 0


def test_a_command_that_cannot_do_gost_is_named_at_the_start(tmp_path: Path) -> None:
    def program(text: str) -> OpensslGost:
        path = tmp_path / "openssl"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return OpensslGost(path, timeout_s=0.5)

    for text, said in (
        ("exit 1", "libengine-gost-openssl"),
        ("echo wrong", "libengine-gost-openssl"),
        ("printf 01234567890123456789012345678901", "is wrong"),
        ("exec cat /dev/zero | head -c 9999", "libengine-gost-openssl"),
        ("exec sleep 30", "no answer in 0.5 s"),
    ):
        with pytest.raises(SuiteFailedError, match=said):
            program(text).check()
    with pytest.raises(SuiteFailedError, match="No such file"):
        OpensslGost(tmp_path / "none").check()
    with pytest.raises(SuiteFailedError):
        suites_of(Settings(signature_gost="openssl", signature_gost_openssl=tmp_path / "none"))


def test_a_failing_engine_says_nothing_of_a_signature_but_refuses_it(
    root: GostAuthority, good: bytes, tmp_path: Path
) -> None:
    verifier = root.verifier()
    verifier._suites = (OpensslGost(tmp_path / "none"),)
    with pytest.raises(SignatureRefusedError, match="No such file"):
        verifier.verify(CONTENT, good, NOW_US)


def test_questions_are_bounded_in_bytes_and_number(
    person: GostPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = engine()
    with pytest.raises(SuiteFailedError, match="more than"):
        suite.digest(KINDS[0].digest, bytes(module.CONTENT_BYTES_MAX + 1))
    busy = OpensslGost(OPENSSL)
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    taken = [busy._turns.acquire() for _ in range(module.AT_ONCE)]
    with pytest.raises(SuiteFailedError, match="at once"):
        busy.digest(KINDS[0].digest, CONTENT)
    for _ in taken:
        busy._turns.release()
    monkeypatch.setattr(module, "WAIT_S", 10.0)
    came: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: came.append(busy.digest(KINDS[0].digest, CONTENT)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(came) == 4
    assert len(set(came)) == 1


def test_a_key_counts_only_with_parameters_in_use_and_its_own_digest() -> None:
    engine()
    good = PublicKeyInfo.load(gost_key("person").public)
    assert engine().key_bits(good) == 256
    for old, new in (
        ("06072a850302022301", "06072a850302022300"),
        ("06082a85030701010202", "06082a85030701010203"),
        ("301306072a85030202230106082a85030701010202", "0500"),
    ):
        der_hex = gost_key("person").public.hex()
        assert old in der_hex
        changed = bytes.fromhex(der_hex.replace(old, new))
        if new == "0500":
            changed = changed.replace(bytes.fromhex("301f"), bytes.fromhex("300c"), 1)
            changed = bytes([changed[0], changed[1] - 19]) + changed[2:]
        assert engine().key_bits(PublicKeyInfo.load(changed)) == 0
        assert not engine().verify(PublicKeyInfo.load(changed), KINDS[0].key, bytes(64), b"x")


def test_a_root_of_gost_can_be_read_from_its_file(root: GostAuthority, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(pem.armor("CERTIFICATE", root.certificate))
    (tmp_path / "list.crl").write_bytes(root.crl())
    trust = read_trust([tmp_path / "root.pem"], [tmp_path / "list.crl"])
    assert isinstance(trust.crls[0], asn1_crl.CertificateList)
    (tmp_path / "root.pem").write_bytes(pem.armor("CERTIFICATE", root.person().certificate))
    with pytest.raises(TrustError, match="is no authority"):
        read_trust([tmp_path / "root.pem"], [])
