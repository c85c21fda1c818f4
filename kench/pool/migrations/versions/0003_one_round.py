"""One round for all journals: the open rounds are summed, positions know their time.

Blocks that were booked keep what they paid, each the round of its own journal.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN_ROUND = """
CREATE TABLE one_round (
    participant_id bigint PRIMARY KEY,
    work_hashes numeric(78, 0) NOT NULL CHECK (work_hashes > 0)
);
INSERT INTO one_round
    SELECT participant_id, sum(work_hashes) FROM open_round GROUP BY participant_id;
DROP TABLE open_round;
ALTER TABLE one_round RENAME TO open_round;
ALTER INDEX one_round_pkey RENAME TO open_round_pkey;
"""

POSITIONS = """
ALTER TABLE journal_positions
    -- When the record before it counts as made, Unix microseconds: times never descend.
    ADD COLUMN last_us bigint NOT NULL DEFAULT 0 CHECK (last_us >= 0),
    -- Shares that another journal held before: not credited.
    ADD COLUMN repeats bigint NOT NULL DEFAULT 0 CHECK (repeats >= 0);
-- Jobs on which a session mined that another front had opened: their shares are compared.
CREATE TABLE resumed_jobs (job_key bigint PRIMARY KEY);
-- One row: what settlement waits for, and since when; NULL where for nothing.
CREATE TABLE settlement (
    is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    waits_for text,
    since timestamptz
);
INSERT INTO settlement DEFAULT VALUES;
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON open_round, resumed_jobs TO kench_settle;
GRANT SELECT, UPDATE (waits_for, since) ON settlement TO kench_settle;
GRANT SELECT ON open_round, resumed_jobs, settlement TO kench_read;
"""


def upgrade() -> None:
    """Make the one round of the open rounds."""
    for statements in (OPEN_ROUND, POSITIONS, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
