"""The bank's statements: what they say of the account as a whole, to compare with the ledger.

They are kept as the bank's entries are: never changed, never taken back. What is asked of batches
and entries at each file has indexes.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE bank_statements (
    file_sha256 bytea REFERENCES bank_files,
    -- Its place in the file.
    place integer CHECK (place >= 0),
    name text NOT NULL,
    number bigint,
    opening_tyiyn bigint,
    closing_tyiyn bigint,
    closing_date date,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (file_sha256, place)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_statements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON bank_statements TO kench_sell, kench_read;
GRANT INSERT ON bank_statements TO kench_sell;
CREATE INDEX bank_entries_batch ON bank_entries (end_to_end_id) WHERE outcome = 'batch_booked';
CREATE INDEX bank_entries_moved ON bank_entries (booked_date)
    WHERE outcome IN ('booked', 'batch_booked', 'returned', 'venue_credited');
CREATE INDEX payouts_pended ON payouts (batch) WHERE state = 'pended';
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(STATEMENTS)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
