"""Reward methods: blocks know their order and method, their coinbase, and which shares they pay.

A block by method `period` has a day, and no credits before that day is over: it pends nothing
until then, and cannot be mature.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BLOCKS = """
ALTER TABLE blocks
    -- The order that its reward follows; 0 where there was none yet.
    ADD COLUMN order_number integer NOT NULL DEFAULT 0 CHECK (order_number >= 0),
    ADD COLUMN method text NOT NULL DEFAULT 'round'
        CHECK (method IN ('round', 'pplns', 'period')),
    -- The day in Bishkek whose work it pays.
    ADD COLUMN day date,
    -- NULL for blocks that were booked before it was kept.
    ADD COLUMN coinbase_txid text CHECK (coinbase_txid ~ '^[0-9a-f]{64}$'),
    ADD CHECK ((method = 'period') = (day IS NOT NULL));
CREATE INDEX blocks_awaiting ON blocks (day) WHERE day IS NOT NULL AND credits = 0;
-- What its coinbase pays; outputs of 0 satoshi, as the witness commitment's, are left out.
CREATE TABLE block_outputs (
    block_hash text REFERENCES blocks,
    vout integer CHECK (vout >= 0),
    script bytea NOT NULL,
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    PRIMARY KEY (block_hash, vout)
);
-- The shares it pays, in each journal: from one up to before another.
CREATE TABLE block_spans (
    block_hash text REFERENCES blocks,
    instance integer CHECK (instance >= 0),
    -- NULL for a round that was open before spans were kept.
    from_sequence bigint CHECK (from_sequence >= 0),
    to_sequence bigint NOT NULL CHECK (to_sequence >= from_sequence),
    -- Of the first share only so much work counts: the window of `pplns` ends within it.
    cut_hashes numeric(78, 0) CHECK (cut_hashes > 0),
    PRIMARY KEY (block_hash, instance)
);
"""

WORK = """
-- Work of the open day; that of days before is in the credits of the blocks that paid it.
CREATE TABLE open_day (
    participant_id bigint PRIMARY KEY,
    work_hashes numeric(78, 0) NOT NULL CHECK (work_hashes > 0)
);
-- Where the open round and the open day begin in this journal; NULL where that was not kept yet.
ALTER TABLE journal_positions
    ADD COLUMN round_from bigint CHECK (round_from >= 0),
    ADD COLUMN day_from bigint CHECK (day_from >= 0);
ALTER TABLE journal_positions
    ALTER COLUMN round_from SET DEFAULT 0,
    ALTER COLUMN day_from SET DEFAULT 0;
-- Which day is open: the one of the last record that was settled.
ALTER TABLE settlement ADD COLUMN day date;
-- Shares that another journal had before, by their sequence: they are no part of any window.
CREATE TABLE repeats (
    instance integer CHECK (instance >= 0),
    sequence bigint CHECK (sequence >= 0),
    PRIMARY KEY (instance, sequence)
);
"""

APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON block_outputs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON block_spans
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON repeats
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

OUTPUTS_SAT = """
CREATE FUNCTION outputs_sat(of_block text) RETURNS numeric LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT coalesce(sum(amount_sat), 0) FROM block_outputs WHERE block_hash = of_block
$$;
"""

# Only the first of its questions changes: the rest of `check_block` stays as it is.
PENDED_NOTHING = """
    IF block.attempts = 0 AND (block.credited OR block.state = 'mature') THEN
"""
PENDED_NOTHING_BUT_BY_DAY = """
    IF block.coinbase_txid IS NOT NULL AND block.reward_sat <> outputs_sat(block.hash) THEN
        wrong := 'has outputs that do not sum to its reward';
    ELSIF block.day IS NOT NULL AND block.credits = 0 THEN
        -- It waits for its day to be over.
        IF block.attempts <> 0 OR block.state = 'mature' OR block.transfers <> 0 THEN
            wrong := 'was pended before its day was over';
        END IF;
    ELSIF block.attempts = 0 AND (block.state = 'mature' OR block.credited
        -- Off the best chain when its day was over, it pended nothing.
        AND NOT (block.day IS NOT NULL AND block.state = 'orphaned')) THEN
"""

GRANTS = """
GRANT SELECT, INSERT ON block_outputs, block_spans, repeats TO kench_settle;
GRANT SELECT, INSERT, UPDATE, DELETE ON open_day TO kench_settle;
GRANT UPDATE (day) ON settlement TO kench_settle;
GRANT SELECT ON block_outputs, block_spans, repeats, open_day TO kench_read;
"""


def upgrade() -> None:
    """Keep what each block followed and paid."""
    for statements in (BLOCKS, WORK, APPEND_ONLY, OUTPUTS_SAT):
        op.execute(statements)
    connection = op.get_bind()
    check_block = connection.exec_driver_sql(
        "SELECT pg_get_functiondef('check_block'::regproc)"
    ).scalar_one()
    if PENDED_NOTHING not in check_block:
        raise RuntimeError("the function check_block is not as migration 0002 made it")
    changed = check_block.replace(PENDED_NOTHING, PENDED_NOTHING_BUT_BY_DAY)
    connection.exec_driver_sql(changed.replace("%", "%%"))
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
