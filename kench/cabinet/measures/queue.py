"""The desk's queue of suspensions by the authorised body: their last days come near."""

from datetime import date

import sqlalchemy as sa

from kench.cabinet.desk.queue import Queue, Waiting, count_due
from kench.cabinet.measures.tables import open_suspensions
from kench.cabinet.registration.officers import REGISTRAR
from kench.cabinet.words.catalogues import N_


def _standing(db: sa.Connection, today: date, soon: date) -> Waiting:
    return count_due(db, open_suspensions.c.until, today, soon)


SUSPENSIONS = Queue(
    "suspensions", REGISTRAR, _standing, "/desk/suspensions",
    N_("Suspensions by the authorised body, until their day"),
)  # fmt: skip
