"""Which blocks wait for their manifest, said in one place; and how settlement fares, in one row."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

VIEWS = """
-- Blocks whose reward was pended and of which nothing was signed yet. Those that were booked before
-- their coinbase and spans were kept have no manifest for ever.
CREATE VIEW blocks_to_sign AS
    SELECT hash, found_at,
        (SELECT created_at FROM transfers
         WHERE subject = 'block' AND block_hash = blocks.hash AND attempt = 1 AND kind = 'pend'
         LIMIT 1) AS pended_at
    FROM blocks
    WHERE attempts > 0 AND credits > 0 AND coinbase_txid IS NOT NULL
        AND NOT EXISTS (SELECT FROM manifests WHERE block_hash = blocks.hash)
        AND NOT EXISTS (SELECT FROM block_spans
                        WHERE block_hash = blocks.hash AND from_sequence IS NULL);
-- Seconds, that nobody's clock but the database's is asked.
CREATE VIEW settlement_progress AS
    SELECT waits_for, since, unsigned.blocks AS manifests_waiting,
        coalesce(extract(epoch FROM now() - unsigned.pended_at), 0)::float8 AS manifests_waiting_s
    FROM settlement,
        (SELECT count(*) AS blocks, min(pended_at) AS pended_at FROM blocks_to_sign) AS unsigned;
GRANT SELECT ON blocks_to_sign TO kench_settle, kench_read;
GRANT SELECT ON settlement_progress TO kench_stratum, kench_read;
"""


def upgrade() -> None:
    """Make the views."""
    op.execute(VIEWS)


def downgrade() -> None:
    """Drop them: they hold nothing."""
    op.execute("DROP VIEW settlement_progress")
    op.execute("DROP VIEW blocks_to_sign")
