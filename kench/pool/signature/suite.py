"""The place of algorithms that no library here knows: what a family of them must be able to do.

A suite computes digests and checks signatures over given bytes, no more. Which signer, attributes,
certificates, lists and keys are good is asked in this package, of all algorithms alike.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from asn1crypto.keys import PublicKeyInfo
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

from kench.pool.errors import KenchError


class SuiteFailedError(KenchError):
    """A suite could not do its work: that says nothing of a signature."""


class Suite(Protocol):
    """A family of algorithms, each known by its OID in dots."""

    def knows_digest(self, algorithm: str) -> bool:
        """Whether content may be digested so: a strong digest of this family."""
        ...

    def knows_signature(self, algorithm: str) -> bool:
        """Whether signatures of this algorithm, also where named by its key, are checked here."""
        ...

    def fits(self, signature: str, digest: str) -> bool:
        """Whether a signature of this algorithm is over this digest."""
        ...

    def key_bits(self, key: PublicKeyInfo) -> int:
        """Bits of a key of this family with strong parameters, 0 for any other."""
        ...

    def digest(self, algorithm: str, content: bytes) -> bytes:
        """Return the digest; raises SuiteFailedError."""
        ...

    def verify(self, key: PublicKeyInfo, algorithm: str, signature: bytes, content: bytes) -> bool:
        """Whether the key's owner signed the content so; raises SuiteFailedError."""
        ...


def suite_of(suites: Iterable[Suite], algorithm: str) -> Suite | None:
    """Return whose signatures of this algorithm are, None: the libraries', or nobody's."""
    return next((suite for suite in suites if suite.knows_signature(algorithm)), None)


class SuiteValidator(DefaultSignatureValidator):
    """Checks signatures of certificates and lists on the way to a root, by suites too."""

    def __init__(self, suites: Iterable[Suite]) -> None:
        """Take the suites; what none of them knows is the library's."""
        self._suites = tuple(suites)

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: PublicKeyInfo,
        signature_algorithm: Any,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Raise InvalidSignature unless the key's owner signed so."""
        algorithm = signature_algorithm["algorithm"].dotted
        suite = suite_of(self._suites, algorithm)
        if suite is None:
            try:
                super().validate_signature(
                    signature, signed_data, public_key_info, signature_algorithm, context
                )
            except (UnsupportedAlgorithm, AssertionError) as error:
                # A key of another kind than the algorithm's signed nothing.
                raise InvalidSignature from error
        elif context.prehashed or not suite.verify(
            public_key_info, algorithm, signature, signed_data
        ):
            raise InvalidSignature
