"""Strict check of detached CMS signatures (RFC 5652, CAdES-BES) with pyhanko.

The library accepts more than a signature of a person may be: no signed attributes at all, no
binding to the certificate, certificates whose revocation nobody knows. What is asked beyond it is
asked here, before and after. Nothing is fetched by the library.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from asn1crypto import cms, core, x509
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.path import ValidationPath

from kench.pool.moments import moment_of
from kench.pool.signature.der import check_der, without_unsigned
from kench.pool.signature.foreign import check_foreign
from kench.pool.signature.paths import (
    Grounds,
    ask,
    by_answers,
    check_certificate,
    check_keys,
    context_of,
    signer_of,
)
from kench.pool.signature.pin import InvalidPinError
from kench.pool.signature.suite import Suite, SuiteFailedError, suite_of
from kench.pool.signature.trust import digest_of, read_crl
from kench.pool.signature.verifier import (
    Evidence,
    RevokedSignatureError,
    SignatureRefusedError,
    Signer,
)

SIGNATURE_BYTES_MAX = 64 * 1024
CERTIFICATES_MAX = 8
REQUIRED_ATTRIBUTES = ("content_type", "message_digest", "signing_certificate_v2")
DIGESTS = frozenset({"sha256", "sha384", "sha512"})
ALGORITHMS = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa"})
KEPT_CRLS_MAX = 16
"""Revocation lists of earlier checks that are held read; a large one has megabytes."""
USAGES = frozenset({"digital_signature", "non_repudiation"})
REASONS = {
    "TRY_LATER": "no fresh revocation list of the signer's authority is there: put today's where "
    "KENCH_SIGNATURE_CRLS says",
    "CRYPTO_CONSTRAINTS_FAILURE": "a key or a digest on the way to the root is too weak",
    "CHAIN_CONSTRAINTS_FAILURE": "the signer's certificate is not for signing, or not by who may "
    "issue one",
}
"""What the library's indications mean."""


class CmsVerifier(Grounds):
    """Tells who signed, by the roots and lists of `trust`; not for an event loop's thread."""

    @cached_property
    def _kept_crls(self) -> dict[bytes, Any]:
        """Lists of earlier checks, read, by their digests."""
        return {}

    def verify(
        self, content: bytes, signature: bytes, moment_us: int, evidence: Evidence | None = None
    ) -> Signer:
        """Return who signed exactly `content`; raises SignatureRefusedError and nothing else."""
        try:
            return self._verify(content, signature, moment_us, evidence)
        except SignatureRefusedError:
            raise
        except (InvalidPinError, SuiteFailedError) as error:
            raise SignatureRefusedError(str(error)) from error
        except SignatureValidationError as error:
            raise SignatureRefusedError(
                f"the signature is not made as CAdES asks: {error.failure_message}"
            ) from error
        except Exception as error:
            # The parsers read hostile bytes lazily, and say in many ways that they cannot.
            raise SignatureRefusedError(
                f"the signature cannot be read ({type(error).__name__}): make a detached CMS "
                "signature in DER"
            ) from error

    def _verify(
        self, content: bytes, signature: bytes, moment_us: int, evidence: Evidence | None
    ) -> Signer:
        signed_data = _signed_data(signature, self._suites)
        moment = moment_of(moment_us)
        check = _Check(content, signed_data, self._trust.roots, moment, self._suites)
        if evidence is None:
            crls = list(self._lists())
            known = ask(check, crls, self._responders)
        else:
            crls = self._crls_of(evidence)
            known = by_answers(check, crls, evidence.ocsps)
        return signer_of(known, crls, self._patterns)

    def _crls_of(self, evidence: Evidence) -> list[Any]:
        """Lists of an earlier check; one that many signatures rest on is read once."""
        crls = []
        for der in evidence.crls:
            digest = digest_of(der)
            crl = self._kept_crls.pop(digest, None) or read_crl(der)
            if len(self._kept_crls) >= KEPT_CRLS_MAX:
                self._kept_crls.pop(next(iter(self._kept_crls)))
            self._kept_crls[digest] = crl
            crls.append(crl)
        return crls


@dataclass(frozen=True, slots=True)
class _Check:
    """One signature, to be checked by what is known of revocations."""

    content: bytes
    signed_data: Any
    roots: tuple[Any, ...]
    moment: datetime
    suites: tuple[Suite, ...] = ()

    def run(
        self, crls: Iterable[Any], *, signer_unknown: bool = False
    ) -> tuple[x509.Certificate, ValidationPath]:
        """Return the signer's certificate and its way to a root; raises SignatureRefusedError.

        Each certificate but the root must stand on no list of a fresh one, with `signer_unknown`
        the signer's aside.
        """
        context = context_of(
            self.roots, crls, self.moment, signer_unknown=signer_unknown, suites=self.suites
        )
        status = asyncio.run(self._status(context))
        if not status.intact:
            raise SignatureRefusedError("the signature is of other bytes")
        if not status.bottom_line:
            kind = RevokedSignatureError if _is_revoked(status) else SignatureRefusedError
            raise kind(_why(status, self.moment))
        certificate, path = status.signing_cert, status.validation_path
        if path is None:
            raise SignatureRefusedError("the signer's certificate leads to no root")
        check_certificate(certificate)
        check_keys(path, self.suites)
        return certificate, path

    async def _status(self, context: ValidationContext) -> Any:
        usages = KeyUsageConstraints(key_usage=USAGES, extd_key_usage=None)
        named = self.signed_data["signer_infos"][0]["signature_algorithm"]["algorithm"].dotted
        suite = suite_of(self.suites, named)
        if suite is not None:
            return await check_foreign(suite, self.content, self.signed_data, context, usages)
        return await async_validate_detached_cms(
            self.content,
            self.signed_data,
            signer_validation_context=context,
            key_usage_settings=usages,
        )


def _signed_data(signature: bytes, suites: tuple[Suite, ...]) -> Any:
    """The one signer's part of a signature that has all we ask; raises SignatureRefusedError."""
    if len(signature) > SIGNATURE_BYTES_MAX:
        raise SignatureRefusedError(f"a signature has {SIGNATURE_BYTES_MAX} bytes at most")
    # Unsigned attributes (time stamps, mostly): what nobody signed is not looked at.
    stripped = without_unsigned(signature)
    check_der(stripped)
    info = cms.ContentInfo.load(stripped, strict=True)
    if info["content_type"].native != "signed_data":
        raise SignatureRefusedError("it is no CMS signature (content type signedData)")
    signed = info["content"]
    encapsulated = signed["encap_content_info"]
    if encapsulated["content_type"].native != "data":
        raise SignatureRefusedError("the signature is not of plain data")
    if not isinstance(encapsulated["content"], core.Void) and encapsulated["content"].native:
        raise SignatureRefusedError("the signature holds the content: make it detached")
    if len(signed["signer_infos"]) != 1:
        raise SignatureRefusedError("a signature has exactly one signer; each officer signs alone")
    if len(signed["certificates"] or ()) > CERTIFICATES_MAX:
        raise SignatureRefusedError(f"a signature has {CERTIFICATES_MAX} certificates at most")
    _check_signer(signed["signer_infos"][0], suites)
    return signed


def _check_signer(signer: Any, suites: tuple[Suite, ...]) -> None:
    digest = signer["digest_algorithm"]["algorithm"].native
    suite = suite_of(suites, signer["signature_algorithm"]["algorithm"].dotted)
    if suite is not None:
        _check_suite(suite, signer)
    elif digest not in DIGESTS:
        raise SignatureRefusedError(f"digest {digest} is too weak or unknown: take SHA-256")
    else:
        _check_algorithm(signer["signature_algorithm"], digest)
    attributes = signer["signed_attrs"]
    if isinstance(attributes, core.Void):
        raise SignatureRefusedError("the signature has no signed attributes: make it with CAdES")
    _check_attributes(attributes, suite)


def _check_suite(suite: Suite, signer: Any) -> None:
    digest = signer["digest_algorithm"]["algorithm"].dotted
    if not suite.knows_digest(digest):
        raise SignatureRefusedError(f"digest {digest} is too weak or unknown")
    if not suite.fits(signer["signature_algorithm"]["algorithm"].dotted, digest):
        raise SignatureRefusedError(f"digest {digest} is named, but another is signed with")


def _check_algorithm(named: Any, digest: str) -> None:
    algorithm = named["algorithm"].native
    with contextlib.suppress(ValueError):
        algorithm = named.signature_algo
    if algorithm not in ALGORITHMS:
        raise SignatureRefusedError(f"algorithm {algorithm} is not known: take RSA or ECDSA")
    for other in _digests_named(named):
        if other != digest:
            raise SignatureRefusedError(f"digest {digest} is named, but {other} is signed with")


def _digests_named(algorithm: Any) -> Iterator[str]:
    """Digests that a signature's algorithm names beside the signer's; plain RSA names none."""
    name = algorithm["algorithm"].native
    if name == "rsassa_pss":
        parameters = algorithm["parameters"]
        yield parameters["hash_algorithm"]["algorithm"].native
        yield parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native
    elif name not in {"rsassa_pkcs1v15", "ecdsa"}:
        yield algorithm.hash_algo


def _check_attributes(attributes: Any, suite: Suite | None) -> None:
    types = [attribute["type"].native for attribute in attributes]
    if len(set(types)) < len(types):
        raise SignatureRefusedError("a signed attribute stands there twice")
    for name in REQUIRED_ATTRIBUTES:
        if name not in types:
            raise SignatureRefusedError(
                f"the signature has no signed attribute {name}: make it with CAdES"
            )
    for attribute in attributes:
        name = attribute["type"].native
        if name in REQUIRED_ATTRIBUTES and len(attribute["values"]) != 1:
            raise SignatureRefusedError(f"signed attribute {name} has not exactly one value")
        if name == "signing_certificate_v2":
            hashes = [one["hash_algorithm"]["algorithm"] for one in attribute["values"][0]["certs"]]
            if not hashes or not all(
                one.native in DIGESTS or (suite and suite.knows_digest(one.dotted))
                for one in hashes
            ):
                raise SignatureRefusedError("the certificate is bound by a weak digest")


def _is_revoked(status: Any) -> bool:
    name = status.trust_problem_indic.name if status.trust_problem_indic else ""
    return bool(status.valid and (status.revoked or name.startswith("REVOKED")))


def _why(status: Any, moment: datetime) -> str:
    """The refusal's reason as the library knows it, in words."""
    name = status.trust_problem_indic.name if status.trust_problem_indic else ""
    certificate = status.signing_cert
    if not status.valid:
        return "the signature does not fit its certificate and its content"
    if _is_revoked(status):
        return "the signer's certificate, or its authority's, is revoked"
    if not certificate.not_valid_before <= moment <= certificate.not_valid_after:
        return "the signer's certificate is not valid at this time"
    return REASONS.get(name) or (
        "the signer's certificate does not lead to an authority of KENCH_SIGNATURE_ROOTS, or "
        f"its revocation is not known (KENCH_SIGNATURE_CRLS): {name.lower().replace('_', ' ')}"
    )
