"""Tables of the register's search and extracts as SQLAlchemy Core knows them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

register_words = sa.Table(
    "register_words",
    metadata,
    sa.Column("participant_id", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("words", TSVECTOR, nullable=False),
    sa.Column("public_words", TSVECTOR, nullable=False),
    sa.Column("regions", ARRAY(sa.Text), nullable=False),
)

register_extracts = sa.Table(
    "register_extracts",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("as_of", _MOMENT, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("request_id", sa.Integer),
    sa.Column("at", _MOMENT, nullable=False),
)

extract_requests = sa.Table(
    "extract_requests",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

extract_queue = sa.Table(
    "extract_queue",
    metadata,
    sa.Column("request_id", sa.Integer, primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)
