"""What the sale reads of blocks: outputs, its lots to be; and lots that end with nothing sold."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# A lot below what its venue takes an order for goes along with the next one, whole.
CHECK_SETTLED = """
CREATE OR REPLACE FUNCTION check_settled() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.sold_sat > 0 AND NOT EXISTS (
        SELECT FROM lot_settlements WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)
    ) THEN
        RAISE EXCEPTION 'lot %:% has no settlement', NEW.coinbase_txid, NEW.vout
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Let the sale read outputs, and end lots of which nothing was sold."""
    op.execute("GRANT SELECT ON block_outputs TO kench_sell")
    op.execute(CHECK_SETTLED)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
