"""What is seen without entering: links, the API, alerts, and where people set all of them up."""

from fastapi import Depends, FastAPI

from kench.cabinet.access.admission import Admission
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.forms import checked
from kench.cabinet.web.rooms import access, alerts, api, mail, watch


def add_watching(app: FastAPI, cabinet: Cabinet) -> None:
    """Add it to the application."""
    app.state.admission = Admission(cabinet.engine, cabinet.clock)
    for room in (access.room, alerts.room, watch.room, mail.room):
        app.include_router(room, dependencies=[Depends(checked)])
    # Programs have no cookies, and only read.
    for room in api.ROUTERS:
        app.include_router(room)
