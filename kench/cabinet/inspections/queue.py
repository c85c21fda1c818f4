"""The desk's queue of inspections that are planned."""

from datetime import date

import sqlalchemy as sa

from kench.cabinet.desk.queue import Queue, Waiting, count_due
from kench.cabinet.inspections.store import INSPECTORS
from kench.cabinet.inspections.tables import inspection_queue
from kench.cabinet.words.catalogues import N_


def _inspections(db: sa.Connection, today: date, soon: date) -> Waiting:
    return count_due(db, inspection_queue.c.due, today, soon)


INSPECTIONS = Queue(
    "inspections", INSPECTORS, _inspections, "/desk/inspections", N_("Inspections that are planned")
)
