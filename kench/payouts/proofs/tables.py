"""The tables of proofs as SQLAlchemy Core sees them."""

import sqlalchemy as sa

from kench.payouts.tables import metadata

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("block_hash", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("salt_source", sa.LargeBinary, nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
)

blocks_to_sign = sa.table(
    "blocks_to_sign", sa.column("hash", sa.Text), sa.column("found_at", sa.DateTime(timezone=True))
)
"""A view: blocks whose reward was pended and of which nothing was signed yet."""

participants = sa.table("participants", sa.column("id", sa.Integer), sa.column("name", sa.Text))
"""What manifests need of the register."""
former_names = sa.table(
    "former_names",
    sa.column("participant_id", sa.Integer),
    sa.column("until", sa.DateTime(timezone=True)),
    sa.column("name", sa.Text),
)
"""Names that participants had until a moment."""
