"""Whether two officers signed a resolution: each signature checked as those of orders are."""

from collections.abc import Sequence

import sqlalchemy as sa

from kench.pool.errors import KenchError
from kench.pool.moments import moment_of
from kench.pool.orders.officers import in_service
from kench.pool.signature.verifier import Verifier
from kench.sale.acts import Approval

SIGNATURES_NEEDED = 2


class ApprovalError(KenchError):
    """The signatures are not those of two officers in service."""


def approvals_of(
    connection: sa.Connection,
    verifier: Verifier,
    document: bytes,
    signatures: Sequence[bytes],
    now_us: int,
) -> tuple[Approval, Approval]:
    """Return the approvals of two different officers in service; raises ApprovalError.

    Raises SignatureRefusedError for a signature that is none over these bytes.
    """
    if len(signatures) != SIGNATURES_NEEDED:
        raise ApprovalError(f"a resolution needs {SIGNATURES_NEEDED} signatures: give --signature "
                            "for each")  # fmt: skip
    found = []
    for signature in signatures:
        signer = verifier.verify(document, signature, now_us)
        officer = in_service(connection, signer.pin)
        if officer is None or not officer.served_at(moment_of(now_us)):
            raise ApprovalError(
                f"{signer.name} ({signer.pin}) is no officer in service: `kench officer list` "
                "shows all"
            )
        found.append(Approval(signer.pin, signature))
    if found[0].pin == found[1].pin:
        raise ApprovalError(f"both signatures are of {found[0].pin}: another officer must sign too")
    return found[0], found[1]
