"""By whose authorities signatures are checked: what the settings say of it, read."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kench.pool.clock import Clock, SystemClock
from kench.pool.orders.document import read_document
from kench.pool.settings import Settings
from kench.pool.signature.certificates import CertificateChecker, CertificateVerifier
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.gost import OpensslGost
from kench.pool.signature.lists import FreshLists
from kench.pool.signature.paths import Grounds
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.responders import Responders
from kench.pool.signature.suite import Suite
from kench.pool.signature.trust import read_trust
from kench.pool.signature.verifier import Evidence, SignatureRefusedError, Signer, Verifier

DEMO_NETWORK = "regtest"
Check = TypeVar("Check", bound=Grounds)


class DemoVerifier:
    """Trusts the demo's authority, for documents about worthless coins alone."""

    def __init__(self, verifier: Verifier, network_of: Callable[[bytes], str | None]) -> None:
        self._verifier = verifier
        self._network_of = network_of

    def verify(
        self, content: bytes, signature: bytes, moment_us: int, evidence: Evidence | None = None
    ) -> Signer:
        """Return who signed the document; raises SignatureRefusedError."""
        if self._network_of(content) != DEMO_NETWORK:
            raise SignatureRefusedError(
                "the demo's officers sign for regtest alone: set KENCH_SIGNATURE_ROOTS"
            )
        return self._verifier.verify(content, signature, moment_us, evidence)


class DemoCertificates:
    """Trusts the demo's authority, where coins are worthless alone."""

    def __init__(self, checker: CertificateChecker, network: Callable[[], str | None]) -> None:
        self._checker = checker
        self._network = network

    def verify(self, chain: Sequence[bytes], moment_us: int) -> Signer:
        """Return who holds the first certificate; raises SignatureRefusedError."""
        if self._network() != DEMO_NETWORK:
            raise SignatureRefusedError(
                "the demo's people enter on regtest alone: set KENCH_SIGNATURE_ROOTS"
            )
        return self._checker.verify(chain, moment_us)


def network_of_order(content: bytes) -> str | None:
    """Return the network that an order is for; raises InvalidOrderError."""
    return read_document(content).network


def verifier_of(
    settings: Settings,
    network_of: Callable[[bytes], str | None] = network_of_order,
    lists: FreshLists | None = None,
) -> Verifier:
    """Return what the settings have signatures checked by.

    Raises TrustError, PinPatternError and SuiteFailedError. Without roots in them, a folder in
    which `kench up` made the demo's authority trusts that. `network_of` says which network's coins
    a document that is not an order is about. A process that lives long starts `lists` of its own,
    others fetch them when somebody signs.
    """
    verifier, is_demo = _made(CmsVerifier, settings, lists or lists_of(settings, SystemClock()))
    return DemoVerifier(verifier, network_of) if is_demo else verifier


def certificates_of(
    settings: Settings, network: Callable[[], str | None], lists: FreshLists
) -> CertificateChecker:
    """Return what certificates of connections are checked by.

    Raises TrustError, PinPatternError and SuiteFailedError. The demo's authority counts while
    `network` says that coins are worth nothing.
    """
    verifier, is_demo = _made(CertificateVerifier, settings, lists)
    return DemoCertificates(verifier, network) if is_demo else verifier


def roots_of(settings: Settings) -> tuple[bytes, ...]:
    """Return the trusted roots, DER; raises TrustError."""
    roots, _, _ = _sources(settings)
    return tuple(root.dump() for root in read_trust(roots, ()).roots)


def lists_of(settings: Settings, clock: Clock) -> FreshLists:
    """Return the revocation lists that the settings name; raises TrustError."""
    roots, crls, _ = _sources(settings)
    return FreshLists(
        crls,
        settings.signature_crl_urls,
        roots=read_trust(roots, ()).roots,
        clock=clock,
        folder=settings.lists_directory,
        fetch_s=settings.signature_crl_fetch_s,
        suites=suites_of(settings),
    )


def _made(kind: type[Check], settings: Settings, lists: FreshLists) -> tuple[Check, bool]:
    """Return what checks by the settings, and whether its roots are the demo's."""
    roots, _, is_demo = _sources(settings)
    check = kind(
        read_trust(roots, ()),
        read_patterns(settings.signature_pin_patterns),
        lists=lists.current,
        responders=_responders_of(settings),
        suites=suites_of(settings),
    )
    return check, is_demo


def _responders_of(settings: Settings) -> Responders | None:
    if not settings.signature_ocsp_urls:
        return None
    return Responders(
        settings.signature_ocsp_urls,
        clock=SystemClock(),
        random_bytes=os.urandom,
        timeout_s=settings.signature_ocsp_timeout_s,
    )


def suites_of(settings: Settings) -> tuple[Suite, ...]:
    """Return what is there beside RSA and ECDSA, tried; raises SuiteFailedError."""
    if settings.signature_gost == "off":
        return ()
    gost = OpensslGost(settings.signature_gost_openssl)
    gost.check()
    return (gost,)


def _sources(settings: Settings) -> tuple[tuple[Path, ...], tuple[Path, ...], bool]:
    """Return roots, files of lists, and whether they are the demo's."""
    demo = settings.demo_pki_directory
    root = demo / "root.pem"
    if settings.signature_roots not in {(), (root,)} or not root.exists():
        return settings.signature_roots, settings.signature_crls, False
    return (root,), (demo / "crl.pem",), True
