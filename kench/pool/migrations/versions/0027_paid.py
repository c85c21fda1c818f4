"""A payout that the bank sent back does not count as paid.

The ledger gives its money back by a line of its own, so balances were right; `paid_tyiyn` went on
counting it.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

VIEW = """
CREATE OR REPLACE VIEW participant_balances AS
    SELECT participant_id,
        coalesce(sum(credits_pending) FILTER (WHERE asset = 'BTC'), 0)::bigint AS pending_sat,
        coalesce(sum(credits_posted - debits_posted) FILTER (WHERE asset = 'BTC'), 0)::bigint
            AS mature_sat,
        (coalesce(sum(debits_posted) FILTER (WHERE asset = 'BTC'), 0)
            - coalesce(max(written_off.sat), 0))::bigint AS sold_sat,
        coalesce(sum(credits_posted - debits_posted - debits_pending)
            FILTER (WHERE asset = 'KGS'), 0)::bigint AS due_tyiyn,
        coalesce(sum(debits_pending) FILTER (WHERE asset = 'KGS'), 0)::bigint AS leaving_tyiyn,
        (coalesce(sum(debits_posted) FILTER (WHERE asset = 'KGS'), 0)
            - coalesce(max(returned.tyiyn), 0))::bigint AS paid_tyiyn,
        coalesce(max(written_off.sat), 0)::bigint AS written_off_sat
    FROM accounts LEFT JOIN (
        SELECT participant_id, sum(amount_sat) AS sat FROM lot_remainders
        WHERE kind = 'written_off' GROUP BY participant_id
    ) AS written_off USING (participant_id) LEFT JOIN (
        SELECT participant_id, sum(amount_tyiyn) AS tyiyn FROM payouts
        WHERE state = 'returned' GROUP BY participant_id
    ) AS returned USING (participant_id)
    WHERE participant_id IS NOT NULL GROUP BY participant_id;
"""


def upgrade() -> None:
    """Take what came back from what was paid."""
    op.execute(VIEW)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
