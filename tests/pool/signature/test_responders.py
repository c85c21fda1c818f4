"""A responder is asked about who signs; what does not answer our question counts as no answer."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import anyio
import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from starlette.responses import Response, StreamingResponse

from kench.pool.clock import Clock, ManualClock
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.responders import ANSWER_BYTES_MAX, OLD, Responders
from kench.pool.signature.trust import Trust
from kench.pool.signature.verifier import SignatureRefusedError
from tests.support.pki import NOW, NOW_US, PATTERNS, PIN, Authority, der, key_of
from tests.support.revocation import Answer, Place, RealMonotonic, Responder, delegate_of, place
from tests.support.signing import Draw

CONTENT = b"I enter\n"
HOUR = timedelta(hours=1)
SERIAL = 77


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Responding Root")


@pytest.fixture(scope="module")
def signature(root: Authority) -> bytes:
    return root.person().sign(CONTENT)


@pytest.fixture(scope="module")
def served() -> Iterator[Place]:
    with place() as made:
        yield made


def verifier(
    root: Authority,
    served: Place,
    *,
    lists: bool = False,
    clock: Clock | None = None,
    entry: str = "{url}",
    timeout_s: float = 5.0,
) -> CmsVerifier:
    clock = clock or ManualClock(NOW_US)
    certificate = asn1_x509.Certificate.load(der(root.certificate))
    crls = (asn1_crl.CertificateList.load(der(root.crl())),) if lists else ()
    return CmsVerifier(
        Trust((certificate,), crls),
        read_patterns(PATTERNS),
        responders=Responders([entry.format(url=served.url)], clock=clock, random_bytes=Draw(),
                              timeout_s=timeout_s),
    )  # fmt: skip


def test_a_good_answer_will_do_without_any_list_and_is_kept(
    root: Authority, served: Place, signature: bytes
) -> None:
    served.answer = Responder(root)
    served.asked.clear()
    signer = verifier(root, served).verify(CONTENT, signature, NOW_US)
    assert signer.pin == PIN
    assert len(served.asked) == len(signer.evidence.ocsps) == 1
    served.answer = lambda _: Response(status_code=500)
    later = verifier(root, served, clock=ManualClock(NOW_US * 2))
    assert later.verify(CONTENT, signature, NOW_US, signer.evidence).pin == PIN
    assert len(served.asked) == 1, "what was kept is not asked for again"


def test_an_answer_of_whom_the_authority_named_is_taken(
    root: Authority, served: Place, signature: bytes
) -> None:
    person = delegate_of(root)
    served.answer = Responder(root, key=person.key, delegate=person.certificate)
    assert verifier(root, served).verify(CONTENT, signature, NOW_US).pin == PIN


def test_who_is_revoked_by_either_is_refused(
    root: Authority, served: Place, signature: bytes
) -> None:
    served.answer = Responder(root, status=ocsp.OCSPCertStatus.REVOKED)
    for lists in (False, True):
        with pytest.raises(SignatureRefusedError, match="revoked"):
            verifier(root, served, lists=lists).verify(CONTENT, signature, NOW_US)
    person = root.person()
    served.answer = Responder(root)
    served.asked.clear()
    listed = asn1_crl.CertificateList.load(der(root.crl(person.certificate)))
    certificate = asn1_x509.Certificate.load(der(root.certificate))
    both = CmsVerifier(
        Trust((certificate,), (listed,)), read_patterns(PATTERNS),
        responders=Responders([served.url], clock=ManualClock(NOW_US), random_bytes=Draw()),
    )  # fmt: skip
    with pytest.raises(SignatureRefusedError, match="revoked"):
        both.verify(CONTENT, person.sign(CONTENT), NOW_US)
    assert served.asked == [], "nobody is asked about a signature that is bad already"


def test_a_certificate_that_the_responder_does_not_know_is_refused_whatever_lists_say(
    root: Authority, served: Place, signature: bytes
) -> None:
    served.answer = Responder(root, status=ocsp.OCSPCertStatus.UNKNOWN)
    with pytest.raises(SignatureRefusedError, match="does not know"):
        verifier(root, served, lists=True).verify(CONTENT, signature, NOW_US)


def endless() -> Response:
    async def drops():  # type: ignore[no-untyped-def]
        while True:
            yield b"\x30"
            await anyio.sleep(0.02)

    return StreamingResponse(drops())


def unsuccessful(_question: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only this needs it

    answer = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    return answer.public_bytes(serialization.Encoding.DER)


def forger(root: Authority) -> Authority:
    return Authority(root.name, key=key_of("forger"))


WRONG: dict[str, tuple[str, Callable[[Authority], Answer]]] = {
    "silent": ("status 500", lambda _: lambda _: Response(status_code=500)),
    "busy": ("try_later", lambda _: unsuccessful),
    "garbage": ("cannot be read", lambda _: lambda _: b"garbage"),
    "empty": ("cannot be read", lambda _: lambda _: b""),
    "nested": ("cannot be read", lambda _: lambda _: b"\x30\x80" * 1000),
    "huge": ("more than", lambda _: lambda _: b"\x30" * (ANSWER_BYTES_MAX + 1)),
    "slow": ("no whole answer", lambda _: lambda _: endless()),
    "stale": ("stale", lambda root: Responder(root, this=NOW - 2 * HOUR, until=NOW - HOUR)),
    "early": ("time to come", lambda root: Responder(root, this=NOW + HOUR, until=NOW + 2 * HOUR)),
    "wrong nonce": ("another question", lambda root: Responder(root, nonce=b"n" * 16)),
    "no nonce": ("no nonce", lambda root: Responder(root, nonce=None, this=NOW - OLD * 1.1)),
    "wrong serial": ("another certificate", lambda root: Responder(root, serial_off=1)),
    "weak digest": ("weak digest", lambda root: Responder(root, digest=hashes.SHA224())),
    "other key": (".", lambda root: Responder(root, key=key_of("forger"))),
    "other authority": (
        ".", lambda root: Responder(root, key=key_of("forger"),
                                    delegate=forger(root).certificate),
    ),
    "no right": (
        ".", lambda root: Responder(root, key=key_of("delegate"),
                                    delegate=delegate_of(root, may=False).certificate),
    ),
    "a stranger's delegate": (
        ".", lambda root: Responder(
            root, key=key_of("delegate"),
            delegate=delegate_of(forger(root)).certificate),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_no_answer_of_use_means_that_only_a_fresh_list_will_do(
    name: str, root: Authority, served: Place, signature: bytes
) -> None:
    said, answer = WRONG[name]
    served.answer = answer(root)
    slow = {"clock": RealMonotonic(), "timeout_s": 0.3} if name == "slow" else {}
    with pytest.raises(SignatureRefusedError, match=said):
        verifier(root, served, **slow).verify(CONTENT, signature, NOW_US)  # type: ignore[arg-type]
    listed = verifier(root, served, lists=True, **slow)  # type: ignore[arg-type]
    signer = listed.verify(CONTENT, signature, NOW_US)
    assert signer.pin == PIN
    assert listed.verify(CONTENT, signature, NOW_US, signer.evidence).pin == PIN


def test_an_answer_without_nonce_that_was_just_made_is_taken(
    root: Authority, served: Place, signature: bytes
) -> None:
    served.answer = Responder(root, nonce=None)
    assert verifier(root, served).verify(CONTENT, signature, NOW_US).pin == PIN


def test_a_responder_is_asked_about_its_own_authority_alone(
    root: Authority, served: Place, signature: bytes
) -> None:
    served.answer = Responder(root)
    mine = asn1_x509.Certificate.load(der(root.certificate)).sha256.hex()
    assert verifier(root, served, entry=mine + "={url}").verify(CONTENT, signature, NOW_US)
    served.asked.clear()
    with pytest.raises(SignatureRefusedError, match="revocation is not known"):
        verifier(root, served, entry="0" * 64 + "={url}").verify(CONTENT, signature, NOW_US)
    assert served.asked == []
