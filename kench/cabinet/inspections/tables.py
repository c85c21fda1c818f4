"""Tables of inspections, and of addresses that they are planned by; migrations make them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

inspections = sa.Table(
    "inspections",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("planned_by", sa.Integer, nullable=False),
    sa.Column("planned_at", _MOMENT, nullable=False),
    sa.Column("due", sa.Date, nullable=False),
    sa.Column("calendar", sa.Text, nullable=False),
    sa.Column("score", sa.Integer, nullable=False),
    sa.Column("facts", JSONB, nullable=False),
)

inspection_outcomes = sa.Table(
    "inspection_outcomes",
    metadata,
    sa.Column("inspection_id", sa.Integer, primary_key=True),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

inspection_queue = sa.Table(
    "inspection_queue",
    metadata,
    sa.Column("inspection_id", sa.Integer, primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("due", sa.Date, nullable=False),
)

participant_addresses = sa.Table(
    "participant_addresses",
    metadata,
    sa.Column("participant_id", sa.Integer, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("addresses", ARRAY(sa.Text), nullable=False),
    sa.Column("more", sa.Boolean, nullable=False),
)
