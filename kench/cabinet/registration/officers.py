"""Whether who signed is an officer in service whose duty this is."""

from collections.abc import Iterable

import sqlalchemy as sa

from kench.cabinet.login.people import acting_for
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole, roles_of
from kench.pool.orders.officers import in_service

REGISTRAR = frozenset({OfficerRole.REGISTRAR, OfficerRole.HEAD})
"""Who decides on applications and notices, excludes, and writes to participants."""


def check_officer(
    db: sa.Connection, act: SignedAct, roles: Iterable[OfficerRole] = REGISTRAR
) -> None:
    """See that who signed is an officer in service with one of these roles.

    Raises ActRefusedError.
    """
    officer = in_service(db, act.person.pin)
    if officer is None or not officer.served_at(moment_of(act.signed_us)):
        raise ActRefusedError(N_("Only an officer in service decides this."))
    if roles_of(db, officer.id).isdisjoint(roles):
        raise ActRefusedError(N_("Your duties do not include this"))


def check_others(db: sa.Connection, act: SignedAct, participant_id: int) -> None:
    """See that who signed does not act for whom it is about; raises ActRefusedError."""
    if acting_for(db, act.person.pin, participant_id) is not None:
        raise ActRefusedError(N_("Nobody decides on their own participant."))
