"""A participant is called as its entry in the register says: a notice may change the name."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the cabinet write the name; what each was called before stays in `register_entries`."""
    op.execute("GRANT UPDATE (name) ON participants TO kench_cabinet")


def downgrade() -> None:
    """Take it back."""
    op.execute("REVOKE UPDATE (name) ON participants FROM kench_cabinet")
