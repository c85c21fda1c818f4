"""What kench_cabinet reads for its pages; not for it are bank files and settlement's own state."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

GRANTS = """
GRANT SELECT ON workers, refusals, front_ends TO kench_cabinet;
GRANT SELECT ON worker_live, pool_live, worker_statistics, worker_ten_minutes, worker_hours,
    worker_days, statistics_rollups TO kench_cabinet;
GRANT SELECT ON orders, order_evidence, order_signatures, order_acceptances
    TO kench_cabinet;
GRANT SELECT ON blocks, block_credits, block_outputs, block_spans, manifests, totals
    TO kench_cabinet;
GRANT SELECT ON accounts, account_classes, account_balances, transfers, ledger_flows,
    participant_balances TO kench_cabinet;
GRANT SELECT ON lots, lot_shares, lot_sold_shares, lot_events, lot_remainders, lot_carries,
    venue_orders, fills, lot_settlements, lot_settlement_lines TO kench_cabinet;
GRANT SELECT ON payouts, bank_accounts TO kench_cabinet;
-- A batch's document has the accounts of all whom it pays.
GRANT SELECT (batch, kind, made_at, order_number, payouts, total_tyiyn) ON payout_batches
    TO kench_cabinet;
-- Blocks page by page, newest first; and those of a month.
CREATE INDEX blocks_found ON blocks (found_at, hash);
CREATE POLICY cabinet_reads_all ON transfers FOR SELECT TO kench_cabinet USING (true);
"""


def upgrade() -> None:
    """Let it read."""
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back before the cabinet")
