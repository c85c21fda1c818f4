"""The books: journal positions, totals, rounds, blocks, credits, and the ledger with its guards.

Rules that the database itself holds, whoever writes:
  - transfers and block credits are never changed or taken back;
  - balances follow from transfers by trigger; no role may write them;
  - a post or void repeats its pend in all but kind, and each pend has at most one of either;
  - at commit a block's state, credits and transfers say the same (`check_block`).
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE journal_positions (
    instance integer PRIMARY KEY,
    next_sequence bigint NOT NULL CHECK (next_sequence >= 0),
    -- Checksum of the record before it: a journal that was swapped for another is noticed.
    last_crc32 bigint NOT NULL DEFAULT 0
);
-- No foreign keys to the register from here on: shares that were earned are booked even where the
-- register was restored from an older copy than the journal.
CREATE TABLE totals (
    participant_id bigint,
    worker_id bigint,
    accepted bigint NOT NULL CHECK (accepted > 0),
    work_hashes numeric(78, 0) NOT NULL CHECK (work_hashes > 0),
    PRIMARY KEY (participant_id, worker_id)
);
CREATE TABLE open_round (
    instance integer,
    participant_id bigint,
    work_hashes numeric(78, 0) NOT NULL CHECK (work_hashes > 0),
    PRIMARY KEY (instance, participant_id)
);
CREATE TABLE blocks (
    hash text PRIMARY KEY CHECK (hash ~ '^[0-9a-f]{64}$'),
    height integer NOT NULL CHECK (height > 0),
    instance integer NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 0),
    job_key bigint NOT NULL CHECK (job_key > 0),
    reward_sat bigint NOT NULL CHECK (reward_sat >= 0),
    finder text NOT NULL,
    found_at timestamptz NOT NULL,
    credited boolean NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'mature', 'orphaned')),
    -- How often its reward was pended: once, and once more for each return to the best chain.
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Whether settlement still asks the chain about it.
    followed boolean NOT NULL DEFAULT true,
    -- Its reward was posted, yet it has left the best chain: people must look.
    alarm boolean NOT NULL DEFAULT false,
    -- Kept by triggers: each row added to either table brings its block to the check at commit.
    credits integer NOT NULL DEFAULT 0,
    transfers bigint NOT NULL DEFAULT 0,
    UNIQUE (instance, sequence)
);
CREATE INDEX blocks_followed ON blocks (height) WHERE followed;
CREATE INDEX blocks_height ON blocks (height);
CREATE TABLE block_credits (
    block_hash text REFERENCES blocks,
    participant_id bigint CHECK (participant_id >= 0),
    work_hashes numeric(78, 0) NOT NULL CHECK (work_hashes > 0),
    reward_sat bigint NOT NULL CHECK (reward_sat >= 0),
    PRIMARY KEY (block_hash, participant_id)
);
CREATE TABLE accounts (
    code text PRIMARY KEY,
    -- Whose it is; NULL for the pool's own accounts.
    participant_id bigint UNIQUE CHECK (participant_id > 0),
    debits_pending bigint NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
    debits_posted bigint NOT NULL DEFAULT 0 CHECK (debits_posted >= 0),
    credits_pending bigint NOT NULL DEFAULT 0 CHECK (credits_pending >= 0),
    credits_posted bigint NOT NULL DEFAULT 0 CHECK (credits_posted >= 0),
    transfers bigint NOT NULL DEFAULT 0,
    CHECK (code = CASE WHEN participant_id IS NULL THEN code
                       ELSE 'participant:' || participant_id END)
);
CREATE TABLE transfers (
    id bytea PRIMARY KEY CHECK (length(id) = 32),
    kind text NOT NULL CHECK (kind IN ('pend', 'post', 'void')),
    -- The pend that is posted or voided; each once.
    pending_id bytea UNIQUE REFERENCES transfers,
    debit_account text NOT NULL REFERENCES accounts,
    credit_account text NOT NULL REFERENCES accounts,
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    block_hash text NOT NULL REFERENCES blocks,
    attempt integer NOT NULL CHECK (attempt > 0),
    created_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    CHECK (debit_account <> credit_account),
    CHECK ((kind = 'pend') = (pending_id IS NULL))
);
CREATE UNIQUE INDEX transfers_line ON transfers (block_hash, attempt, kind, credit_account);
CREATE INDEX transfers_credit ON transfers (credit_account);
INSERT INTO accounts (code) VALUES ('coinbase'), ('unassigned');
"""

VIEWS = """
CREATE VIEW participant_balances AS
    SELECT participant_id, credits_pending AS pending_sat, credits_posted AS mature_sat
    FROM accounts WHERE participant_id IS NOT NULL;
-- Each transfer is counted on both of its sides.
CREATE VIEW ledger_check AS
    SELECT sum(debits_pending) = sum(credits_pending) AND sum(debits_posted) = sum(credits_posted)
               AND sum(transfers) % 2 = 0 AS balanced,
           (sum(transfers) / 2)::bigint AS transfers
    FROM accounts;
"""

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct it by further rows', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON block_credits
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

APPLY_CREDITS = """
CREATE FUNCTION apply_credits() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE blocks SET credits = blocks.credits + added.lines
    FROM (SELECT block_hash, count(*) AS lines FROM added_rows GROUP BY block_hash) AS added
    WHERE blocks.hash = added.block_hash;
    RETURN NULL;
END $$;
CREATE TRIGGER apply_credits AFTER INSERT ON block_credits
    REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION apply_credits();
"""

# A post takes from the pending column and adds to the posted one; a void only takes.
APPLY_TRANSFERS = """
CREATE FUNCTION apply_transfers() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added_rows AS added LEFT JOIN transfers AS pend
            ON pend.id = added.pending_id AND pend.kind = 'pend'
            AND (pend.debit_account, pend.credit_account, pend.amount_sat, pend.block_hash,
                 pend.attempt)
              = (added.debit_account, added.credit_account, added.amount_sat, added.block_hash,
                 added.attempt)
        WHERE added.kind <> 'pend' AND pend.id IS NULL
    ) THEN
        RAISE EXCEPTION 'a post or void differs from the transfer it settles'
            USING ERRCODE = 'check_violation';
    END IF;
    WITH sides AS (
        SELECT debit_account AS code, kind, amount_sat AS debit_sat, 0 AS credit_sat
        FROM added_rows
        UNION ALL
        SELECT credit_account, kind, 0, amount_sat FROM added_rows
    ), moved AS (
        SELECT code, count(*) AS lines,
            sum(CASE WHEN kind = 'pend' THEN debit_sat ELSE -debit_sat END) AS debits_pending,
            sum(CASE WHEN kind = 'pend' THEN credit_sat ELSE -credit_sat END) AS credits_pending,
            sum(CASE WHEN kind = 'post' THEN debit_sat ELSE 0 END) AS debits_posted,
            sum(CASE WHEN kind = 'post' THEN credit_sat ELSE 0 END) AS credits_posted
        FROM sides GROUP BY code
    )
    UPDATE accounts SET
        debits_pending = accounts.debits_pending + moved.debits_pending,
        credits_pending = accounts.credits_pending + moved.credits_pending,
        debits_posted = accounts.debits_posted + moved.debits_posted,
        credits_posted = accounts.credits_posted + moved.credits_posted,
        transfers = accounts.transfers + moved.lines
    FROM moved WHERE accounts.code = moved.code;
    UPDATE blocks SET transfers = blocks.transfers + added.lines
    FROM (SELECT block_hash, count(*) AS lines FROM added_rows GROUP BY block_hash) AS added
    WHERE blocks.hash = added.block_hash;
    RETURN NULL;
END $$;
CREATE TRIGGER apply_transfers AFTER INSERT ON transfers
    REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION apply_transfers();
"""

CHECK_BLOCK = """
CREATE FUNCTION check_block() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    block blocks%ROWTYPE;
    wrong text;
BEGIN
    -- The row as it is now, which at commit is its last version. Each version queued a check of its
    -- own, so that of the last alone need do the work.
    SELECT * INTO block FROM blocks WHERE hash = NEW.hash;
    IF NOT FOUND OR block IS DISTINCT FROM NEW THEN
        RETURN NULL;
    END IF;
    IF block.attempts = 0 AND (block.credited OR block.state = 'mature') THEN
        wrong := 'has pended nothing';
    ELSIF block.credits = 0 OR block.reward_sat <> (
        SELECT coalesce(sum(reward_sat), 0) FROM block_credits WHERE block_hash = block.hash
    ) THEN
        wrong := 'has credits that do not sum to its reward';
    ELSIF EXISTS (
        SELECT FROM transfers WHERE block_hash = block.hash AND attempt > block.attempts
    ) THEN
        wrong := 'has transfers of an attempt that it does not count';
    ELSIF EXISTS (
        SELECT debit_account, credit_account, amount_sat FROM transfers
        WHERE block_hash = block.hash AND kind = 'pend'
        EXCEPT
        SELECT 'coinbase', CASE WHEN participant_id = 0 THEN 'unassigned'
            ELSE 'participant:' || participant_id END, reward_sat
        FROM block_credits WHERE block_hash = block.hash
    ) THEN
        wrong := 'has a pend that is not one of its credits';
    ELSIF EXISTS (
        SELECT FROM generate_series(1, block.attempts) AS tried LEFT JOIN (
            SELECT attempt,
                sum(amount_sat) FILTER (WHERE kind = 'pend') AS pended,
                sum(amount_sat) FILTER (WHERE kind = 'post') AS posted,
                sum(amount_sat) FILTER (WHERE kind = 'void') AS voided
            FROM transfers WHERE block_hash = block.hash GROUP BY attempt
        ) AS sums ON sums.attempt = tried
        WHERE (coalesce(pended, 0), coalesce(posted, 0), coalesce(voided, 0)) <> (
            block.reward_sat,
            CASE WHEN tried = block.attempts AND block.state = 'mature'
                THEN block.reward_sat ELSE 0 END,
            CASE WHEN tried < block.attempts OR block.state = 'orphaned'
                THEN block.reward_sat ELSE 0 END
        )
    ) THEN
        wrong := 'is ' || block.state || ', but its transfers say otherwise';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'block % %', block.hash, wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_block AFTER INSERT OR UPDATE ON blocks
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_block();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON journal_positions, totals TO kench_settle;
GRANT SELECT, INSERT, UPDATE, DELETE ON open_round TO kench_settle;
GRANT SELECT, INSERT, UPDATE (state, attempts, followed, alarm) ON blocks TO kench_settle;
GRANT SELECT, INSERT ON block_credits, transfers TO kench_settle;
GRANT SELECT, INSERT (code, participant_id) ON accounts TO kench_settle;
GRANT SELECT ON participant_balances, ledger_check TO kench_settle;
GRANT SELECT ON journal_positions, totals, open_round, blocks, block_credits, accounts, transfers,
    participant_balances, ledger_check TO kench_read;
"""


def upgrade() -> None:
    """Make the books."""
    for statements in (
        TABLES,
        VIEWS,
        REFUSE_CHANGE,
        APPLY_CREDITS,
        APPLY_TRANSFERS,
        CHECK_BLOCK,
        GRANTS,
    ):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
