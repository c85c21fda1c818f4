"""Tables of acts that need two officers, and of drafts; migrations make them."""

import sqlalchemy as sa

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

countersignatures = sa.Table(
    "countersignatures",
    metadata,
    sa.Column("act_id", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("data_sha256", sa.LargeBinary, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("completes", sa.Boolean, nullable=False),
)

order_drafts = sa.Table(
    "order_drafts",
    metadata,
    sa.Column("draft", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("content_sha256", sa.LargeBinary, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("dropped", sa.Boolean, nullable=False),
)
