"""The way of a certificate to a root, and what is known of revocations on it.

Asked in the same way for who signs a text and for who comes by a connection of TLS.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from asn1crypto import x509
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)

from kench.pool.signature.pin import PinPattern, pin_of
from kench.pool.signature.responders import Responders, check_answer
from kench.pool.signature.suite import Suite, SuiteValidator
from kench.pool.signature.trust import Trust, digest_of
from kench.pool.signature.verifier import (
    Evidence,
    RevokedSignatureError,
    SignatureRefusedError,
    Signer,
)

NAME_MAX = 200
KEY_BITS_MIN = {"rsa": 2048, "rsassa_pss": 2048, "ec": 256}

Known = tuple[x509.Certificate, ValidationPath, tuple[bytes, ...]]
"""Whose certificate it is, its way to a root, and the answers that say it is not revoked."""


class Check(Protocol):
    """One check of a certificate, to be made by what is known of revocations."""

    @property
    def moment(self) -> datetime:
        """As things stood then."""
        ...

    def run(
        self, crls: Iterable[Any], *, signer_unknown: bool = False
    ) -> tuple[x509.Certificate, ValidationPath]:
        """Return whose certificate it is and its way to a root; raises SignatureRefusedError.

        Each certificate but the root must stand on no list of a fresh one, with `signer_unknown`
        the first aside.
        """
        ...


class Grounds:
    """What every check of a person's certificate rests on: roots, lists, responders, patterns."""

    def __init__(
        self,
        trust: Trust,
        patterns: Iterable[PinPattern],
        *,
        lists: Callable[[], Iterable[Any]] | None = None,
        responders: Responders | None = None,
        suites: Iterable[Suite] = (),
    ) -> None:
        """Create it; `lists` are taken instead of those of `trust`, anew for each check.

        `suites` are algorithms beside RSA and ECDSA.
        """
        self._suites = tuple(suites)
        self._trust = trust
        self._lists = lists or (lambda: trust.crls)
        self._responders = responders
        self._patterns = tuple(patterns)
        # Each refusal would leave a traceback in the log; what is refused says it all.
        for name in ("pyhanko", "pyhanko_certvalidator"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def context_of(
    roots: Iterable[Any],
    crls: Iterable[Any],
    moment: datetime,
    *,
    signer_unknown: bool,
    suites: Iterable[Suite] = (),
) -> ValidationContext:
    """Return what the library checks by; nothing is fetched."""
    # The library's "hard-fail" lets a certificate pass that names no place of a list, and
    # looks at OCSP only where one names a responder; this asks for lists always.
    required = RevocationCheckingRule.CRL_REQUIRED
    rule = RevocationCheckingRule.NO_CHECK if signer_unknown else required
    return ValidationContext(
        trust_roots=list(roots),
        other_certs=[],
        crls=list(crls),
        ocsps=[],
        revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy(rule, required)),
        allow_fetching=False,
        moment=moment,
        signature_validator=SuiteValidator(suites),
    )


def ask(check: Check, crls: list[Any], responders: Responders | None) -> Known:
    """Check by lists, and ask a responder about the signer where there is one.

    Without an answer of use the lists must do; with a good one the signer's need not.
    """
    listed, refusal = None, ""
    try:
        listed = check.run(crls)
    except RevokedSignatureError:
        raise
    except SignatureRefusedError as error:
        if responders is None:
            raise
        refusal = str(error)
    certificate, path = listed or check.run(crls, signer_unknown=True)
    issuer = list(path.iter_certs(include_root=True))[-2]
    if responders is not None and responders.know(issuer):
        answer, why = responders.ask(certificate, issuer)
        if answer is not None:
            why = check_answer(answer, certificate, path, check.moment)
            if not why:
                return certificate, path, (answer,)
        refusal += f"; and no OCSP responder helped: {why}"
    if listed is None:
        raise SignatureRefusedError(refusal)
    return certificate, path, ()


def by_answers(check: Check, crls: list[Any], answers: tuple[bytes, ...]) -> Known:
    """Check by what was kept of an earlier check."""
    if not answers:
        return *check.run(crls), ()
    certificate, path = check.run(crls, signer_unknown=True)
    for answer in answers:
        why = check_answer(answer, certificate, path, check.moment)
        if why:
            raise SignatureRefusedError(f"a kept OCSP answer does not hold: {why}")
    return certificate, path, answers


def check_certificate(certificate: x509.Certificate) -> None:
    """Raise SignatureRefusedError unless it is a person's, for signing."""
    if certificate.ca:
        raise SignatureRefusedError("the certificate is an authority's, not a person's")
    if certificate.key_usage_value is None:
        raise SignatureRefusedError("the certificate does not say that it is for signing")


def check_keys(path: ValidationPath, suites: Collection[Suite] = ()) -> None:
    """Raise SignatureRefusedError where a key of the way is too short.

    The root's is trusted as it is.
    """
    for certificate in path.iter_certs(include_root=False):
        inner = certificate["tbs_certificate"]["signature"]
        if certificate["signature_algorithm"].dump() != inner.dump():
            raise SignatureRefusedError("a certificate names another algorithm than signed it")
        key = certificate.public_key
        if any(suite.key_bits(key) for suite in suites):
            continue
        if key.algorithm not in KEY_BITS_MIN:
            raise SignatureRefusedError(f"a key is of a kind unknown ({key.algorithm})")
        if key.bit_size < KEY_BITS_MIN[key.algorithm]:
            raise SignatureRefusedError(
                f"a key of {key.bit_size} bits ({key.algorithm}) is too weak"
            )


def signer_of(known: Known, crls: Iterable[Any], patterns: Iterable[PinPattern]) -> Signer:
    """Return who it is, with what the check rested on; raises InvalidPinError."""
    certificate, path, ocsps = known
    return Signer(
        pin=pin_of(subject_of(certificate), patterns),
        name=_name(certificate),
        certificate_sha256=digest_of(certificate.dump()),
        evidence=_evidence(path, crls, ocsps),
    )


def subject_of(certificate: x509.Certificate) -> Mapping[str, list[str]]:
    """Return the values of a subject by OID."""
    values: dict[str, list[str]] = {}
    for part in certificate.subject.chosen:
        for pair in part:
            if isinstance(pair["value"].native, str):
                values.setdefault(pair["type"].dotted, []).append(pair["value"].native)
    return values


def _name(certificate: x509.Certificate) -> str:
    """The name as the certificate has it, without what nobody can see."""
    common = subject_of(certificate).get("2.5.4.3", [])
    text = "".join(one for one in " ".join(common) if one.isprintable()).strip()
    return text[:NAME_MAX] or "(no name)"


def _evidence(path: ValidationPath, crls: Iterable[Any], ocsps: tuple[bytes, ...]) -> Evidence:
    certificates = list(path.iter_certs(include_root=True))[::-1]
    issuers = {one.issuer.hashable for one in certificates}
    return Evidence(
        tuple(one.dump() for one in certificates),
        tuple(one.dump() for one in crls if one.issuer.hashable in issuers),
        ocsps,
    )
