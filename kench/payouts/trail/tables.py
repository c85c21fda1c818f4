"""What of the trail its chain is made from, and the chain, as SQLAlchemy Core sees them."""

import sqlalchemy as sa

metadata = sa.MetaData()

acts = sa.Table(
    "acts",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("person_id", sa.Integer),
    sa.Column("login_id", sa.BigInteger),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("participant_id", sa.Integer),
)

persons = sa.Table(
    "persons",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("pin", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)

trail_queue = sa.Table(
    "trail_queue",
    metadata,
    sa.Column("act_id", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)
"""Acts that wait for their seal; kept by triggers alone."""

trail_seals = sa.Table(
    "trail_seals",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("previous", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

trail_anchors = sa.Table(
    "trail_anchors",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)
