"""The rooms of entering and signing, and what they share in an application."""

from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.registration.outcomes import OUTCOMES
from kench.cabinet.web.counts import SigningCounts
from kench.cabinet.web.forms import checked
from kench.cabinet.web.rooms import account, enter, people, sign, sign_on

ROOMS = (enter.room, sign_on.room, sign.room, account.room, people.room)


def add_signing(app: FastAPI, cabinet: Cabinet, registry: CollectorRegistry) -> None:
    """Let people enter, sign, and see to their logins."""
    app.state.sign_on = sign_on.provider_of(cabinet)
    app.state.signing_counts = SigningCounts(registry)
    # What follows from a signed act; an entry is the signing room's own.
    app.state.outcomes = OUTCOMES
    for room in ROOMS:
        app.include_router(room, dependencies=[Depends(checked)])
