"""Whether who signed is an officer in service."""

import sqlalchemy as sa

from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of
from kench.pool.orders.officers import in_service


def check_officer(db: sa.Connection, act: SignedAct) -> None:
    """See that who signed is an officer in service; raises ActRefusedError."""
    officer = in_service(db, act.person.pin)
    if officer is None or not officer.served_at(moment_of(act.signed_us)):
        raise ActRefusedError(N_("Only an officer in service decides this."))
