"""The desk's queue of extracts that participants wait for."""

from datetime import date

import sqlalchemy as sa

from kench.cabinet.desk.queue import Queue, Waiting
from kench.cabinet.registration.officers import REGISTRAR
from kench.cabinet.registry.tables import extract_queue
from kench.cabinet.words.catalogues import N_


def _extracts(db: sa.Connection, _today: date, _soon: date) -> Waiting:
    # The law sets no term for them.
    query = sa.select(sa.func.count()).select_from(extract_queue)
    return Waiting(db.execute(query).scalar_one())


EXTRACTS = Queue(
    "extracts", REGISTRAR, _extracts, "/desk/register/requests",
    N_("Extracts that participants ask for"),
)  # fmt: skip
