"""How hard a block was, hour by hour, as the jobs said that miners were given.

Of hours before this nothing is known, and nothing is made up: who reckons by it leaves them out.
"""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE network_hours (
    bucket_at timestamptz PRIMARY KEY CHECK (date_trunc('hour', bucket_at, 'UTC') = bucket_at),
    nbits bigint NOT NULL CHECK (nbits BETWEEN 1 AND 4294967295),
    -- Expected hashes for one block.
    block_work_hashes numeric(78, 0) NOT NULL CHECK (block_work_hashes > 0)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON network_hours
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON network_hours TO kench_stratum;
GRANT SELECT ON network_hours TO kench_cabinet, kench_settle, kench_read;
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: nobody would tell it again."""
    raise NotImplementedError("restore a backup to go back before the network's hours")
