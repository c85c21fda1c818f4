"""What is asked of a check of signatures, whatever cryptography it is done with."""

from dataclasses import dataclass
from typing import Protocol

from kench.pool.errors import KenchError


class SignatureRefusedError(KenchError):
    """A signature that does not prove who signed these bytes; the message says why."""


class RevokedSignatureError(SignatureRefusedError):
    """The signer's certificate is revoked."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check rested on beside the roots, kept so that it can be done again years later."""

    certificates: tuple[bytes, ...] = ()
    """DER, the signer's first, then those up to the root."""
    crls: tuple[bytes, ...] = ()
    """DER, those of the certificates' issuers."""
    ocsps: tuple[bytes, ...] = ()
    """DER, answers of the issuers' responders."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed."""

    pin: str
    name: str
    certificate_sha256: bytes
    evidence: Evidence


class Verifier(Protocol):
    """Tells who signed."""

    def verify(
        self, content: bytes, signature: bytes, moment_us: int, evidence: Evidence | None = None
    ) -> Signer:
        """Return who signed exactly `content`, as things stood at that moment.

        With `evidence` kept from an earlier check, its revocation lists are taken, not today's.
        Raises SignatureRefusedError and nothing else. Not for a thread that runs an event loop.
        """
        ...
