"""Strict check of the certificate that a person shows in TLS, by the rules for who signs a text.

TLS has proven already that whoever connects has the key; here it is asked whose it is.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from asn1crypto import x509
from pyhanko_certvalidator import CertificateValidator
from pyhanko_certvalidator.errors import InvalidCertificateError, RevokedError
from pyhanko_certvalidator.path import ValidationPath

from kench.pool.moments import moment_of
from kench.pool.signature.der import check_der
from kench.pool.signature.paths import (
    Grounds,
    ask,
    check_certificate,
    check_keys,
    context_of,
    signer_of,
)
from kench.pool.signature.pin import InvalidPinError
from kench.pool.signature.suite import Suite
from kench.pool.signature.verifier import RevokedSignatureError, SignatureRefusedError, Signer

CHAIN_MAX = 8
CERTIFICATE_BYTES_MAX = 64 * 1024
USAGES = frozenset({"digital_signature"})
PURPOSES = frozenset({"client_auth"})


class CertificateChecker(Protocol):
    """Tells whose a certificate is."""

    def verify(self, chain: Sequence[bytes], moment_us: int) -> Signer:
        """Return who holds the first certificate of a chain, as things stood at that moment.

        Raises SignatureRefusedError and nothing else. Not for a thread that runs an event loop.
        """
        ...


class CertificateVerifier(Grounds):
    """Tells it by the roots of `trust`, lists and responders."""

    def verify(self, chain: Sequence[bytes], moment_us: int) -> Signer:
        """Return who holds the first certificate, DER; raises SignatureRefusedError."""
        if not 1 <= len(chain) <= CHAIN_MAX:
            raise SignatureRefusedError(f"a chain has one to {CHAIN_MAX} certificates")
        try:
            crls = list(self._lists())
            moment = moment_of(moment_us)
            check = _Check(_read(chain), self._trust.roots, moment, self._suites)
            return signer_of(ask(check, crls, self._responders), crls, self._patterns)
        except SignatureRefusedError:
            raise
        except InvalidPinError as error:
            raise SignatureRefusedError(str(error)) from error
        except Exception as error:
            # The parsers read hostile bytes lazily, and say in many ways that they cannot.
            raise SignatureRefusedError(
                f"the certificate cannot be read ({type(error).__name__})"
            ) from error


@dataclass(frozen=True, slots=True)
class _Check:
    """One certificate, to be checked by what is known of revocations."""

    chain: tuple[x509.Certificate, ...]
    roots: tuple[Any, ...]
    moment: datetime
    suites: tuple[Suite, ...] = ()

    def run(
        self, crls: Iterable[Any], *, signer_unknown: bool = False
    ) -> tuple[x509.Certificate, ValidationPath]:
        """Return the certificate and its way to a root; raises SignatureRefusedError."""
        certificate, *others = self.chain
        check_certificate(certificate)
        context = context_of(
            self.roots, crls, self.moment, signer_unknown=signer_unknown, suites=self.suites
        )
        validator: Any = CertificateValidator(certificate, others, context)
        try:
            path = asyncio.run(
                validator.async_validate_usage(set(USAGES), set(PURPOSES), extended_optional=True)
            )
        except RevokedError as error:
            raise RevokedSignatureError(
                "the certificate, or its authority's, is revoked"
            ) from error
        except InvalidCertificateError as error:
            raise SignatureRefusedError(
                "the certificate is not for entering: its key usage must have digitalSignature, "
                "its extended key usage, where there is one, clientAuth"
            ) from error
        except Exception as error:
            raise SignatureRefusedError(self._why(error)) from error
        check_keys(path, self.suites)
        return certificate, path

    def _why(self, error: Exception) -> str:
        certificate = self.chain[0]
        if not certificate.not_valid_before <= self.moment <= certificate.not_valid_after:
            return "the certificate is not valid at this time"
        return (
            "the certificate does not lead to an authority of KENCH_SIGNATURE_ROOTS, or its "
            f"revocation is not known (KENCH_SIGNATURE_CRLS): {type(error).__name__}"
        )


def _read(chain: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    for der in chain:
        if len(der) > CERTIFICATE_BYTES_MAX:
            raise SignatureRefusedError(f"a certificate has {CERTIFICATE_BYTES_MAX} bytes at most")
        check_der(der)
    return tuple(x509.Certificate.load(der, strict=True) for der in chain)
