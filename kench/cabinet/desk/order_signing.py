"""An order signed at the desk: proposed with the first signature, accepted with the second.

The document's own bytes are what is signed, so the register checks the signatures as it does those
that come by `kench order`, and so does every process that loads the orders. Nothing here waits
for a node: whoever calls knows how high the chain is.
"""

import sqlalchemy as sa

from kench.cabinet.desk.countersigning import PAIRS, PairKind, sign_pair
from kench.cabinet.desk.order_drafts import is_newest
from kench.cabinet.desk.reasons import reason_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool.errors import KenchError
from kench.pool.orders.document import Document, read_document
from kench.pool.orders.officer_roles import roles_of, roles_of_pin
from kench.pool.orders.register import Signed, propose, sign, waiting
from kench.pool.orders.tables import officers, orders, signatures
from kench.pool.signature.verifier import Verifier

REFUSED = N_("The register refuses this order: %(why)s")


def subject_of(document: Document) -> str:
    """What the signed acts of an order are about."""
    return f"order {document.number}"


def take_order(
    db: sa.Connection, act: SignedAct, *, tip_height: int | None, verifier: Verifier
) -> Signed:
    """Enter an officer's signature of an order; raises ActRefusedError, and nothing is kept."""
    try:
        document = read_document(act.content)
    except KenchError as error:
        raise ActRefusedError(REFUSED, why=reason_of(error)) from error
    if act.subject != subject_of(document):
        raise ActRefusedError(N_("What was signed is another order."))
    pair = sign_pair(db, act, PairKind.ORDER, act.subject, act.content)
    try:
        if is_proposed(db, document):
            if waiting(db, document.number).sha256 != document.sha256:
                raise ActRefusedError(N_("Another proposal has taken the place of this order."))
        else:
            if not is_newest(db, document.content):
                raise ActRefusedError(
                    N_("The draft was changed or put aside meanwhile: look at it again.")
                )
            propose(db, verifier, document.content, tip_height=tip_height, now_us=act.signed_us)
        signed = sign(
            db, verifier, document.number, act.signature,
            tip_height=tip_height, now_us=act.signed_us,
        )  # fmt: skip
    except ActRefusedError:
        raise
    except KenchError as error:
        raise ActRefusedError(REFUSED, why=reason_of(error)) from error
    # The register counts whoever is in service; which roles the two have is the desk's to see.
    if not signed.missing and pair is None and not _is_pair(db, document, act):
        raise ActRefusedError(
            N_("Who signed first has no role for it any more: draft the order anew, with another "
               "title.")
        )  # fmt: skip
    return signed


def _is_pair(db: sa.Connection, document: Document, act: SignedAct) -> bool:
    """Whether somebody of the other role has signed too, by the command, where none is asked."""
    mine = roles_of_pin(db, act.person.pin)
    signers = db.scalars(
        sa.select(signatures.c.officer_id)
        .join_from(signatures, orders, signatures.c.order_id == orders.c.id)
        .join(officers, officers.c.id == signatures.c.officer_id)
        .where(orders.c.content_sha256 == document.sha256, officers.c.pin != act.person.pin)
    )
    return any(PAIRS[PairKind.ORDER].holds(roles_of(db, one), mine) for one in signers)


def is_proposed(db: sa.Connection, document: Document) -> bool:
    """Whether officers may sign these bytes already, or could before another took their place."""
    return (
        db.scalar(sa.select(orders.c.id).where(orders.c.content_sha256 == document.sha256))
        is not None
    )
