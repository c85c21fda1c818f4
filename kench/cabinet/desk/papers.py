"""What the desk has of one participant beside its entry: reports, inspections, lots, income.

Each is read for those alone whose roles open its room.
"""

from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.income.listing import Month, months_of
from kench.cabinet.inspections.store import Inspection, inspections_of
from kench.cabinet.messages.store import MessageLine, messages_of
from kench.cabinet.reports.store import ReportLine, reports_of
from kench.sale.machine import STUCK
from kench.sale.tables import lot_shares, lots

SHOWN = 6
"""Of each, the newest."""


class StuckLot(NamedTuple):
    """A lot that needs people, and holds coins of the participant."""

    block_hash: str
    vout: int
    height: int
    state: str
    amount_sat: int
    """The participant's part."""


class Papers(NamedTuple):
    """All of it; None is what the officer's roles do not open."""

    reports: list[ReportLine] | None
    inspections: list[Inspection] | None
    lots: list[StuckLot] | None
    months: list[Month] | None
    messages: list[MessageLine] | None


def read_papers(db: sa.Connection, participant_id: int, opens: Callable[[str], bool]) -> Papers:
    """Read the newest of each room that opens; takes a connection in a transaction."""
    return Papers(
        reports_of(db, participant_id, at_most=SHOWN) if opens("/desk/reports") else None,
        inspections_of(db, participant_id, SHOWN, planned=True)
        if opens("/desk/inspections")
        else None,
        stuck_lots_of(db, participant_id) if opens("/desk/lots") else None,
        months_of(db, participant_id, SHOWN) if opens("/desk/income") else None,
        messages_of(db, participant_id, at_most=SHOWN) if opens("/desk/messages") else None,
    )


def stuck_lots_of(db: sa.Connection, participant_id: int) -> list[StuckLot]:
    """Lots that need people and hold coins of a participant, the newest first."""
    table, shares = lots.c, lot_shares.c
    query = (
        sa.select(table.block_hash, table.vout, table.height, table.state, shares.amount_sat)
        .join_from(
            lots,
            lot_shares,
            (shares.block_hash == table.block_hash)
            & (shares.vout == table.vout)
            & (shares.participant_id == participant_id),
        )
        .where(table.state.in_([state.value for state in STUCK]))
        .order_by(table.height.desc(), table.vout)
        .limit(SHOWN)
    )
    return [StuckLot(*row) for row in db.execute(query)]
