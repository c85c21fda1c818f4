"""Tables of decisions and suspensions as SQLAlchemy Core knows them; a migration makes them."""

import sqlalchemy as sa

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

decision_reads = sa.Table(
    "decision_reads",
    metadata,
    sa.Column("decision_id", sa.Integer, primary_key=True),
    sa.Column("person_id", sa.Integer, primary_key=True),
    sa.Column("at", _MOMENT, nullable=False),
)

suspensions = sa.Table(
    "suspensions",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("ground", sa.Text, nullable=False),
    sa.Column("begins", sa.Date, nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("at", _MOMENT, nullable=False),
)

suspension_ends = sa.Table(
    "suspension_ends",
    metadata,
    sa.Column("suspension_id", sa.Integer, primary_key=True),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("act_id", sa.BigInteger),
    sa.Column("at", _MOMENT, nullable=False),
)

open_suspensions = sa.Table(
    "open_suspensions",
    metadata,
    sa.Column("participant_id", sa.Integer, primary_key=True),
    sa.Column("suspension_id", sa.Integer, nullable=False),
    sa.Column("begins", sa.Date, nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("in_force", sa.Boolean, nullable=False),
)
