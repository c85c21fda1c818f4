"""What many participants leave of a lot is taken from it once, not once for each of them.

Each of 20,000 rows moved the same row of `lots`, through all versions of it before: the time grew
with the square of the participants, past the statement timeout.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# As migration 0005 has it, for all rows of a statement.
APPLY_REMAINDERS = """
DROP TRIGGER apply_remainder ON lot_remainders;
DROP FUNCTION apply_remainder;
CREATE FUNCTION apply_remainders() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    named bigint;
    met bigint;
BEGIN
    UPDATE lots SET left_sat = lots.left_sat + added.sat
    FROM (SELECT block_hash, vout, sum(amount_sat) AS sat FROM added_rows GROUP BY 1, 2) AS added
    WHERE (lots.block_hash, lots.vout) = (added.block_hash, added.vout)
        AND version > 1 AND state NOT IN ('sold', 'settled', 'written_off');
    GET DIAGNOSTICS met = ROW_COUNT;
    SELECT count(*) INTO named FROM (SELECT DISTINCT block_hash, vout FROM added_rows) AS added;
    IF met <> named OR EXISTS (
        SELECT FROM added_rows AS added JOIN lot_shares USING (block_hash, vout, participant_id)
        WHERE added.amount_sat > lot_shares.amount_sat
    ) THEN
        RAISE EXCEPTION 'no participant leaves more of a lot than it has there'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER apply_remainders AFTER INSERT ON lot_remainders REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION apply_remainders();
"""


def upgrade() -> None:
    """Take remainders from their lot once for each statement."""
    op.execute(APPLY_REMAINDERS)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
