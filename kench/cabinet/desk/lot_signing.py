"""A resolution on a lot signed at the desk: with the second signature it is a wish of the sale.

The document is the one that `kench lot` drafts, and its own bytes are signed. The cabinet looks
whether it could be carried out now, and moves nothing: `kench sell` does, and looks again.
"""

import sqlalchemy as sa

from kench.cabinet.desk.countersigning import PairKind, sign_pair
from kench.cabinet.desk.reasons import reason_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool.errors import KenchError
from kench.sale.acts import Resolution, document_of, read_document
from kench.sale.lots import LotKey, read_lot
from kench.sale.wishes import WishState, add_wish, wishes_of

REFUSED = N_("This resolution cannot be carried out: %(why)s")


def subject_of(key: LotKey) -> str:
    """What the signed acts of a lot are about."""
    return f"lot {key.block_hash}:{key.vout}"


def check_resolution(db: sa.Connection, document: bytes) -> Resolution:
    """See that a resolution could be carried out now; raises ActRefusedError."""
    try:
        resolution = read_document(document)
        lot = read_lot(db, resolution.lot)
        if lot.version != resolution.version:
            raise ActRefusedError(N_("The lot has moved meanwhile: look at it again."))
        if document_of(lot, resolution.act, resolution.why) != document:
            raise ActRefusedError(N_("This is not how a resolution is written."))
    except ActRefusedError:
        raise
    except KenchError as error:
        raise ActRefusedError(REFUSED, why=reason_of(error)) from error
    if any(
        one.state is WishState.WAITS and one.version == lot.version
        for one in wishes_of(db, lot.key)
    ):
        raise ActRefusedError(N_("Two officers have signed about this lot; the sale takes it up."))
    return resolution


def take_resolution(db: sa.Connection, act: SignedAct) -> tuple[LotKey, bool]:
    """Keep an officer's signature; return the lot, and whether it was the second one.

    Raises ActRefusedError, and nothing is kept.
    """
    resolution = check_resolution(db, act.content)
    if act.subject != subject_of(resolution.lot):
        raise ActRefusedError(N_("What was signed is about another lot."))
    both = sign_pair(db, act, PairKind.LOT, act.subject, act.content)
    if both is None:
        return resolution.lot, False
    first, second = both
    add_wish(
        db, act.content, signatures=(first.signature, second.signature),
        acts=(first.id, second.id), at_us=act.signed_us,
    )  # fmt: skip
    return resolution.lot, True
