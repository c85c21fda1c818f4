"""Signed manifests of what blocks paid."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE manifests (
    block_hash text PRIMARY KEY REFERENCES blocks,
    -- The canonical text, which is what is signed.
    content bytea NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64),
    -- Of the salts that hide the participants' names from each other.
    salt_source bytea NOT NULL CHECK (length(salt_source) = 32),
    made_at timestamptz NOT NULL DEFAULT transaction_timestamp()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON manifests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON manifests TO kench_settle;
GRANT SELECT ON manifests TO kench_read;
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: what was signed is not thrown away by a schema change."""
    raise NotImplementedError("manifests are never thrown away: restore a backup instead")
