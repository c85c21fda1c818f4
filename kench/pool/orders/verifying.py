"""By whose authorities signatures are checked: what the settings say of it, read."""

from collections.abc import Callable

from kench.pool.orders.document import read_document
from kench.pool.settings import Settings
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.trust import read_trust
from kench.pool.signature.verifier import Evidence, SignatureRefusedError, Signer, Verifier

DEMO_NETWORK = "regtest"


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


def network_of_order(content: bytes) -> str | None:
    """Return the network that an order is for; raises InvalidOrderError."""
    return read_document(content).network


def verifier_of(
    settings: Settings, network_of: Callable[[bytes], str | None] = network_of_order
) -> Verifier:
    """Return what the settings have signatures checked by; raises TrustError, PinPatternError.

    Without roots in them, a folder in which `kench up` made the demo's authority trusts that.
    `network_of` says which network's coins a document that is not an order is about.
    """
    patterns = read_patterns(settings.signature_pin_patterns)
    roots, crls = settings.signature_roots, settings.signature_crls
    demo = settings.demo_pki_directory
    if roots not in {(), (demo / "root.pem",)} or not (demo / "root.pem").exists():
        return CmsVerifier(read_trust(roots, crls), patterns)
    trust = read_trust([demo / "root.pem"], [demo / "crl.pem"])
    return DemoVerifier(CmsVerifier(trust, patterns), network_of)
