"""The desk's queues of applications and notices."""

from datetime import date

import sqlalchemy as sa

from kench.cabinet.desk.queue import Queue, Waiting, count_due
from kench.cabinet.registration.officers import REGISTRAR
from kench.cabinet.registration.tables import application_queue, notice_queue
from kench.cabinet.words.catalogues import N_


def _applications(db: sa.Connection, today: date, soon: date) -> Waiting:
    return count_due(db, application_queue.c.decide_by, today, soon)


def _changes(db: sa.Connection, today: date, soon: date) -> Waiting:
    return count_due(db, notice_queue.c.due, today, soon, notice_queue.c.is_entered)


def _days_to_come(db: sa.Connection, _today: date, _soon: date) -> Waiting:
    # They take effect by themselves: nobody can be late.
    query = sa.select(sa.func.count()).where(~notice_queue.c.is_entered)
    return Waiting(db.execute(query).scalar_one())


APPLICATIONS = Queue(
    "applications", REGISTRAR, _applications, "/desk/applications",
    N_("Applications that wait for a decision"),
)  # fmt: skip
CHANGES = Queue(
    "changes", REGISTRAR, _changes, "/desk/notices",
    N_("Changes of data, equipment and bank accounts to enter"),
)  # fmt: skip
DAYS_TO_COME = Queue(
    "days_to_come", REGISTRAR, _days_to_come, "/desk/notices",
    N_("Suspensions and exits that wait for their day"),
)  # fmt: skip
