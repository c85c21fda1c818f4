"""The desk's queues of what two officers sign, and of lots that stand still."""

from datetime import date

import sqlalchemy as sa

from kench.cabinet.desk.queue import Queue, Waiting
from kench.cabinet.desk.standing_lots import count_proposed
from kench.cabinet.words.catalogues import N_
from kench.pool.orders.officer_roles import OfficerRole
from kench.sale.lots import count_stuck
from kench.sale.machine import LotState

_AML = frozenset({LotState.HELD, LotState.REFUSED})
_FINANCE = frozenset({OfficerRole.FINANCE, OfficerRole.HEAD})
_LOTS = _FINANCE | {OfficerRole.SECURITY}
# Those that the register still takes: one of each number that is not accepted.
_ORDERS = sa.text("""
    SELECT count(DISTINCT number) FROM orders
    WHERE number > (SELECT coalesce(max(number), 0) FROM order_acceptances)
""")


def _orders(db: sa.Connection, _today: date, _soon: date) -> Waiting:
    return Waiting(db.execute(_ORDERS).scalar_one())


def _resolutions(db: sa.Connection, _today: date, _soon: date) -> Waiting:
    return Waiting(count_proposed(db))


def _cases(db: sa.Connection, _today: date, _soon: date) -> Waiting:
    return Waiting(sum(count for state, count in count_stuck(db).items() if state in _AML))


def _halts(db: sa.Connection, _today: date, _soon: date) -> Waiting:
    return Waiting(sum(count for state, count in count_stuck(db).items() if state not in _AML))


ORDERS = Queue("orders", _FINANCE, _orders, "/desk/orders", N_("Orders that wait for signatures"))
RESOLUTIONS = Queue(
    "resolutions", _LOTS, _resolutions, "/desk/lots",
    N_("Resolutions on lots that wait for a second signature"),
)  # fmt: skip
CASES = Queue("aml", _LOTS, _cases, "/desk/lots", N_("AML cases: coins held or refused"))
HALTS = Queue("halts", _LOTS, _halts, "/desk/lots", N_("Sales that stand still"))
