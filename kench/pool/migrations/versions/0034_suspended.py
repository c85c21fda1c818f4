"""Participants that are suspended, by an index: each minute it is asked whose time is over."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it; there are never many."""
    op.execute("CREATE INDEX participants_suspended ON participants (id) WHERE state = 'suspended'")


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back")
