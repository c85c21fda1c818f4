"""OCSP answers that the check of an order's signature rested on."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep them beside the lists; signatures before had none."""
    op.execute("ALTER TABLE order_signatures ADD COLUMN ocsps bytea[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    """Refuse: orders are not thrown away by a schema change."""
    raise NotImplementedError("orders are never downgraded: restore a backup instead")
