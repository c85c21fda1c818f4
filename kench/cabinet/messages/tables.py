"""Tables of messages as SQLAlchemy Core knows them; a migration makes them."""

import sqlalchemy as sa

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

message_reads = sa.Table(
    "message_reads",
    metadata,
    sa.Column("message_id", sa.Integer, primary_key=True),
    sa.Column("person_id", sa.Integer, primary_key=True),
    sa.Column("at", _MOMENT, nullable=False),
)

message_answers = sa.Table(
    "message_answers",
    metadata,
    sa.Column("message_id", sa.Integer, primary_key=True),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

circulars = sa.Table(
    "circulars",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("state", sa.Text),
    sa.Column("region", sa.Text),
    sa.Column("at", _MOMENT, nullable=False),
)

circular_recipients = sa.Table(
    "circular_recipients",
    metadata,
    sa.Column("participant_id", sa.Integer, primary_key=True),
    sa.Column("circular_id", sa.Integer, primary_key=True),
    sa.Column("told_at", _MOMENT),
)

circular_reads = sa.Table(
    "circular_reads",
    metadata,
    sa.Column("circular_id", sa.Integer, primary_key=True),
    sa.Column("participant_id", sa.Integer, primary_key=True),
    sa.Column("person_id", sa.Integer, primary_key=True),
    sa.Column("at", _MOMENT, nullable=False),
)
