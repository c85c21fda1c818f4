"""A payout that the bank sent back does not count as paid.

The ledger gives its money back by a line of its own, so balances were right; `paid_tyiyn` went on
counting it.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# What is asked for each participant goes by an index, of one participant and of all.
VIEW = """
CREATE OR REPLACE VIEW participant_balances AS
    SELECT participant_id, pending_sat, mature_sat,
        (left_sat - written_off_sat)::bigint AS sold_sat,
        due_tyiyn, leaving_tyiyn,
        (left_tyiyn - returned_tyiyn)::bigint AS paid_tyiyn,
        written_off_sat
    FROM (
        SELECT participant_id,
            coalesce(sum(credits_pending) FILTER (WHERE asset = 'BTC'), 0)::bigint AS pending_sat,
            coalesce(sum(credits_posted - debits_posted) FILTER (WHERE asset = 'BTC'), 0)::bigint
                AS mature_sat,
            coalesce(sum(debits_posted) FILTER (WHERE asset = 'BTC'), 0) AS left_sat,
            coalesce(sum(credits_posted - debits_posted - debits_pending)
                FILTER (WHERE asset = 'KGS'), 0)::bigint AS due_tyiyn,
            coalesce(sum(debits_pending) FILTER (WHERE asset = 'KGS'), 0)::bigint AS leaving_tyiyn,
            coalesce(sum(debits_posted) FILTER (WHERE asset = 'KGS'), 0) AS left_tyiyn
        FROM accounts WHERE participant_id IS NOT NULL GROUP BY participant_id
    ) AS sums
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_sat), 0)::bigint AS written_off_sat FROM lot_remainders
        WHERE kind = 'written_off' AND lot_remainders.participant_id = sums.participant_id
    ) AS written_off
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_tyiyn), 0) AS returned_tyiyn FROM payouts
        WHERE state = 'returned' AND payouts.participant_id = sums.participant_id
    ) AS returned;
"""


def upgrade() -> None:
    """Take what came back from what was paid."""
    op.execute(VIEW)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
