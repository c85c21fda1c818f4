"""Manifests of what blocks paid, and up to where each journal was when a block was found."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
-- For each found block and each journal: the first sequence behind the block in the pool's order.
-- `number` is the order in which blocks were booked. Blocks booked before this migration have none.
CREATE TABLE block_ends (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    block_hash text REFERENCES blocks,
    instance integer CHECK (instance >= 0),
    end_sequence bigint NOT NULL CHECK (end_sequence >= 0),
    PRIMARY KEY (block_hash, instance)
);
CREATE INDEX block_ends_order ON block_ends (instance, number);
CREATE TABLE manifests (
    block_hash text PRIMARY KEY REFERENCES blocks,
    -- The canonical text, which is what is signed.
    content bytea NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64),
    -- Of the salts that hide the participants' names from each other.
    salt_source bytea NOT NULL CHECK (length(salt_source) = 32),
    made_at timestamptz NOT NULL DEFAULT transaction_timestamp()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON block_ends
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON manifests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON block_ends, manifests TO kench_settle;
GRANT SELECT ON block_ends, manifests TO kench_read;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Refuse: what was signed is not thrown away by a schema change."""
    raise NotImplementedError("manifests are never thrown away: restore a backup instead")
