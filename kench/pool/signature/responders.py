"""OCSP responders that the settings name: asked whether a signer's certificate is revoked.

An answer is looked at here as far as it is about our question: the certificate, the nonce, the
time. Whether who signed it may say so is checked where the signature is.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import (
    OCSPNoMatchesError,
    OCSPValidationIndeterminateError,
    RevokedError,
)
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from kench.pool.clock import Clock
from kench.pool.moments import moment_of
from kench.pool.signature.der import check_der
from kench.pool.signature.fetching import FetchError, fetch
from kench.pool.signature.verifier import RevokedSignatureError, SignatureRefusedError
from kench.pool.signature_settings import responder_of

ANSWER_BYTES_MAX = 64 * 1024
NONCE_BYTES = 16
OLD = timedelta(minutes=15)
"""An answer without our nonce may have been made so long ago, and kept by the responder since."""
EARLY = timedelta(minutes=5)
"""By so much a responder's clock may be ahead of ours."""
KIND = "application/ocsp-request"
KEYS = frozenset({"rsa", "rsassa_pss", "ec"})
DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

log = structlog.get_logger("signature")


class Responders:
    """Asks about certificates, for any thread."""

    def __init__(
        self,
        entries: Iterable[str],
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        timeout_s: float = 5.0,
    ) -> None:
        """Take entries of `signature_ocsp_urls`."""
        self._entries = [responder_of(entry) for entry in entries]
        self._clock = clock
        self._random_bytes = random_bytes
        self._timeout_s = timeout_s

    def know(self, issuer: asn1_x509.Certificate) -> bool:
        """Whether there is one that is asked about certificates of this authority.

        None is asked about those of an authority whose keys are of a suite: lists must do there.
        """
        return issuer.public_key.algorithm in KEYS and bool(self._urls_of(issuer))

    def ask(
        self, certificate: asn1_x509.Certificate, issuer: asn1_x509.Certificate
    ) -> tuple[bytes | None, str]:
        """Return the first answer that is about this certificate, DER; or why there is none.

        Raises SignatureRefusedError where a responder does not know it.
        """
        why = "no responder is known"
        for url in self._urls_of(issuer):
            try:
                return self._ask(url, certificate, issuer), ""
            except FetchError as error:
                why = str(error)
                log.warning("no OCSP answer", why=why)
        return None, why

    def _urls_of(self, issuer: asn1_x509.Certificate) -> list[str]:
        mine = issuer.sha256.hex()
        return [url for whose, url in self._entries if whose is None or whose.lower() == mine]

    def _ask(
        self, url: str, certificate: asn1_x509.Certificate, issuer: asn1_x509.Certificate
    ) -> bytes:
        nonce = self._random_bytes(NONCE_BYTES)
        question = (
            ocsp.OCSPRequestBuilder()
            .add_certificate(
                x509.load_der_x509_certificate(certificate.dump()),
                x509.load_der_x509_certificate(issuer.dump()),
                # It only names the issuer, and is the one that every responder knows.
                hashes.SHA1(),  # noqa: S303 - a name, not a signature
            )
            .add_extension(x509.OCSPNonce(nonce), critical=False)
            .build()
            .public_bytes(serialization.Encoding.DER)
        )
        answer = fetch(
            url,
            self._clock,
            timeout_s=self._timeout_s,
            bytes_max=ANSWER_BYTES_MAX,
            body=question,
            kind=KIND,
        )
        try:
            check_der(answer)
            self._check(ocsp.load_der_ocsp_response(answer), certificate.serial_number, nonce)
        except SignatureRefusedError:
            raise
        except FetchError as error:
            raise FetchError(f"{url}: {error}") from error
        except Exception as error:
            # Its parser reads hostile bytes too, and says in many ways that it cannot.
            raise FetchError(
                f"{url}: its answer cannot be read ({type(error).__name__})"
            ) from error
        return answer

    def _check(self, answer: Any, serial: int, nonce: bytes) -> None:
        """Raise FetchError unless it answers our question now."""
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise FetchError(f"it answers {answer.response_status.name.lower()}")
        if len(list(answer.responses)) != 1 or answer.serial_number != serial:
            raise FetchError("its answer is about another certificate")
        if not isinstance(answer.signature_hash_algorithm, DIGESTS):
            raise FetchError("its answer is signed with a weak digest")
        if answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
            # A list of revoked ones says nothing of one that was never issued.
            raise SignatureRefusedError("the authority's responder does not know the certificate")
        now = moment_of(self._clock.now_us())
        this, until = answer.this_update_utc, answer.next_update_utc
        if this > now + EARLY:
            raise FetchError("its answer is of a time to come")
        if until is not None and until <= now:
            raise FetchError("its answer is stale")
        said = [
            one.value.nonce for one in answer.extensions if isinstance(one.value, x509.OCSPNonce)
        ]
        if said and said != [nonce]:
            raise FetchError("its answer is to another question")
        if not said and this < now - OLD:
            raise FetchError("its answer is old, and has no nonce of ours")


def check_answer(
    answer: bytes, certificate: asn1_x509.Certificate, path: ValidationPath, moment: datetime
) -> str:
    """Return why an answer does not show that the certificate is good, empty if it does.

    Who signed it must be the certificate's authority, or named by that for answers. Raises
    RevokedSignatureError where it says that the certificate is revoked.
    """
    no_list = RevocationCheckingPolicy(
        RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK
    )
    context = ValidationContext(
        trust_roots=[next(iter(path.iter_certs(include_root=True)))],
        other_certs=list(path.iter_certs(include_root=True)),
        ocsps=[asn1_ocsp.OCSPResponse.load(answer, strict=True)],
        crls=[],
        revinfo_policy=CertRevTrustPolicy(no_list),
        allow_fetching=False,
        moment=moment,
        time_tolerance=EARLY,
    )
    try:
        asyncio.run(verify_ocsp_response(certificate, path, context))
    except RevokedError as error:
        raise RevokedSignatureError("the signer's certificate is revoked") from error
    except OCSPNoMatchesError:
        return "its answer is about another certificate"
    except OCSPValidationIndeterminateError as error:
        return "; ".join(str(failure[0]) for failure in error.failures) or "its answer is not clear"
    return ""
