"""By whose authorities signatures of orders are checked: what the settings say of it, read."""

from kench.pool.orders.document import read_document
from kench.pool.settings import Settings
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.trust import read_trust
from kench.pool.signature.verifier import Evidence, SignatureRefusedError, Signer, Verifier

DEMO_NETWORK = "regtest"


class DemoVerifier:
    """Trusts the demo's authority, for orders about worthless coins alone."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def verify(
        self, content: bytes, signature: bytes, moment_us: int, evidence: Evidence | None = None
    ) -> Signer:
        """Return who signed the order; raises SignatureRefusedError."""
        if read_document(content).network != DEMO_NETWORK:
            raise SignatureRefusedError(
                "the demo's officers sign for regtest alone: set KENCH_SIGNATURE_ROOTS"
            )
        return self._verifier.verify(content, signature, moment_us, evidence)


def verifier_of(settings: Settings) -> Verifier:
    """Return what the settings have signatures checked by; raises TrustError, PinPatternError.

    Without roots in them, a folder in which `kench up` made the demo's authority trusts that.
    """
    patterns = read_patterns(settings.signature_pin_patterns)
    roots, crls = settings.signature_roots, settings.signature_crls
    demo = settings.demo_pki_directory
    if roots not in {(), (demo / "root.pem",)} or not (demo / "root.pem").exists():
        return CmsVerifier(read_trust(roots, crls), patterns)
    return DemoVerifier(CmsVerifier(read_trust([demo / "root.pem"], [demo / "crl.pem"]), patterns))
