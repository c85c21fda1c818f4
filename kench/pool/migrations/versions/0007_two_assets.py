"""The ledger in two assets, BTC in satoshi and KGS in tyiyn; what is written before is BTC.

Rules that the database itself holds, whoever writes:
  - an account's asset, normal side and holder follow from its code; a code of no class is refused;
  - accounts open empty and are moved by transfers alone, each asset balanced after every statement;
  - what an account has is never below zero, what is pended counted as gone; `trade:*` may be;
  - both accounts of a transfer are of its asset, and its flow is one of `ledger_flows`;
  - the id of a transfer is the digest of what it does: the same thing is never done twice;
  - settlement of shares writes lines of blocks and no others, the sale all but those.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Roles belong to the whole server, so another database may have made it.
ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kench_sell') THEN
        CREATE ROLE kench_sell NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
"""

# `kench.payouts.accounts` says the same in Python; a test compares the two.
CHART = """
CREATE FUNCTION account_class(code text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE
    WHEN code IN ('coinbase', 'unassigned', 'unassigned:kgs', 'trade:btc', 'trade:kgs', 'fee:pool',
                  'bank:clients', 'bank:operator') THEN code
    WHEN code ~ '^participant:[1-9][0-9]{0,17}$' THEN 'participant'
    WHEN code ~ '^participant:[1-9][0-9]{0,17}\\:kgs$' THEN 'participant:kgs'
    WHEN code ~ '^venue:[a-z0-9][a-z0-9_.-]{0,63}\\:btc$' THEN 'venue:btc'
    WHEN code ~ '^venue:[a-z0-9][a-z0-9_.-]{0,63}\\:kgs$' THEN 'venue:kgs'
    WHEN code ~ '^fee:venue:[a-z0-9][a-z0-9_.-]{0,63}$' THEN 'fee:venue'
END;
CREATE TABLE account_classes (
    class text PRIMARY KEY,
    asset text NOT NULL CHECK (asset IN ('BTC', 'KGS')),
    -- The side on which it grows: a debit for what is had, a credit for what is owed.
    normal_side text NOT NULL CHECK (normal_side IN ('debit', 'credit')),
    -- Whose money it is: the participants', the operator's, or on its way between accounts.
    holder text NOT NULL CHECK (holder IN ('client', 'operator', 'clearing')),
    may_overdraw boolean NOT NULL
);
INSERT INTO account_classes VALUES
    ('coinbase', 'BTC', 'debit', 'client', false),
    ('venue:btc', 'BTC', 'debit', 'client', false),
    ('trade:btc', 'BTC', 'debit', 'clearing', true),
    ('participant', 'BTC', 'credit', 'client', false),
    ('unassigned', 'BTC', 'credit', 'client', false),
    ('venue:kgs', 'KGS', 'debit', 'client', false),
    ('trade:kgs', 'KGS', 'credit', 'clearing', true),
    ('participant:kgs', 'KGS', 'credit', 'client', false),
    ('unassigned:kgs', 'KGS', 'credit', 'client', false),
    ('fee:pool', 'KGS', 'credit', 'operator', false),
    ('fee:venue', 'KGS', 'debit', 'clearing', false),
    ('bank:clients', 'KGS', 'debit', 'client', false),
    ('bank:operator', 'KGS', 'debit', 'operator', false);
CREATE TABLE ledger_flows (
    subject text CHECK (subject IN ('block', 'lot', 'fill', 'settlement', 'payout', 'bank')),
    debit_class text REFERENCES account_classes,
    credit_class text REFERENCES account_classes,
    PRIMARY KEY (subject, debit_class, credit_class)
);
INSERT INTO ledger_flows VALUES
    ('block', 'coinbase', 'participant'),
    ('block', 'coinbase', 'unassigned'),
    -- A deposit is credited by the venue, or taken back.
    ('lot', 'venue:btc', 'coinbase'),
    ('lot', 'coinbase', 'venue:btc'),
    ('fill', 'trade:btc', 'venue:btc'),
    ('fill', 'venue:kgs', 'trade:kgs'),
    ('fill', 'fee:venue', 'venue:kgs'),
    ('settlement', 'participant', 'trade:btc'),
    ('settlement', 'unassigned', 'trade:btc'),
    ('settlement', 'trade:kgs', 'participant:kgs'),
    ('settlement', 'trade:kgs', 'unassigned:kgs'),
    ('settlement', 'trade:kgs', 'fee:pool'),
    ('settlement', 'trade:kgs', 'fee:venue'),
    -- Money of the venue arrives at the bank, or goes back.
    ('bank', 'bank:clients', 'venue:kgs'),
    ('bank', 'venue:kgs', 'bank:clients'),
    ('payout', 'participant:kgs', 'bank:clients'),
    ('payout', 'fee:pool', 'bank:clients'),
    -- A payout that was booked comes back.
    ('payout', 'bank:clients', 'participant:kgs');
"""

# What an account has, less what is pended away from it.
ACCOUNTS = """
DROP VIEW participant_balances, ledger_check;
ALTER TABLE accounts
    DROP CONSTRAINT accounts_check,
    DROP COLUMN participant_id,
    ADD COLUMN class text NOT NULL GENERATED ALWAYS AS (account_class(code)) STORED
        REFERENCES account_classes,
    ADD COLUMN asset text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN code ~ '(^fee:|^bank:|\\:kgs$)' THEN 'KGS' ELSE 'BTC' END) STORED,
    -- Whose it is; NULL for accounts of no one participant.
    ADD COLUMN participant_id bigint GENERATED ALWAYS AS (
        CAST(substring(code FROM '^participant:([0-9]+)') AS bigint)) STORED,
    ADD UNIQUE (code, asset),
    ADD CONSTRAINT never_below_zero CHECK (CASE
        WHEN class IN ('trade:btc', 'trade:kgs') THEN true
        WHEN class IN ('coinbase', 'venue:btc', 'venue:kgs', 'fee:venue', 'bank:clients',
                       'bank:operator') THEN debits_posted >= credits_posted + credits_pending
        ELSE credits_posted >= debits_posted + debits_pending END);
CREATE UNIQUE INDEX accounts_participant ON accounts (participant_id, asset)
    WHERE participant_id IS NOT NULL;
INSERT INTO accounts (code) VALUES ('unassigned:kgs'), ('trade:btc'), ('trade:kgs'), ('fee:pool'),
    ('bank:clients'), ('bank:operator');
"""

TRANSFERS = """
ALTER TABLE transfers DISABLE TRIGGER append_only;
ALTER TABLE transfers RENAME amount_sat TO amount;
ALTER TABLE transfers
    ADD COLUMN asset text NOT NULL DEFAULT 'BTC',
    -- What kind of thing it is about, and which one.
    ADD COLUMN subject text NOT NULL DEFAULT 'block',
    ADD COLUMN reference text NOT NULL DEFAULT '',
    ALTER COLUMN block_hash DROP NOT NULL,
    ALTER COLUMN attempt DROP NOT NULL;
UPDATE transfers SET reference = block_hash;
ALTER TABLE transfers
    ALTER COLUMN asset DROP DEFAULT,
    ALTER COLUMN subject DROP DEFAULT,
    ALTER COLUMN reference DROP DEFAULT,
    DROP CONSTRAINT transfers_debit_account_fkey,
    DROP CONSTRAINT transfers_credit_account_fkey,
    DROP CONSTRAINT transfers_check1,
    ADD CHECK (char_length(reference) BETWEEN 1 AND 200),
    ADD FOREIGN KEY (debit_account, asset) REFERENCES accounts (code, asset),
    ADD FOREIGN KEY (credit_account, asset) REFERENCES accounts (code, asset),
    -- A post of its own needs no pend, but for blocks, whose coins are not spendable at once.
    ADD CONSTRAINT settles_a_pend CHECK (CASE kind
        WHEN 'pend' THEN pending_id IS NULL
        WHEN 'post' THEN pending_id IS NOT NULL OR subject <> 'block'
        ELSE pending_id IS NOT NULL END),
    ADD CONSTRAINT is_of_its_block CHECK (CASE subject
        WHEN 'block' THEN block_hash IS NOT NULL AND attempt IS NOT NULL AND reference = block_hash
        ELSE block_hash IS NULL AND attempt IS NULL END),
    ADD CONSTRAINT id_is_of_its_content CHECK (subject = 'block'
        OR id = posting_id(kind, subject, reference, debit_account, credit_account));
ALTER TABLE transfers ENABLE TRIGGER append_only;
DROP INDEX transfers_line;
CREATE UNIQUE INDEX transfers_line ON transfers (block_hash, attempt, kind, credit_account)
    WHERE subject = 'block';
CREATE INDEX transfers_reference ON transfers (reference) WHERE subject <> 'block';
CREATE INDEX transfers_debit ON transfers (debit_account) WHERE subject <> 'block';
"""

# `kench.payouts.postings.posting_id` says the same in Python.
POSTING_ID = """
CREATE FUNCTION framed(part text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int4send(octet_length(convert_to(part, 'UTF8'))) || convert_to(part, 'UTF8');
CREATE FUNCTION posting_id(
    kind text, subject text, reference text, debit_account text, credit_account text
) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256('kench posting 1'::bytea || framed(kind) || framed(subject) || framed(reference)
    || framed(debit_account) || framed(credit_account));
"""

VIEWS = """
CREATE VIEW account_balances AS
    SELECT accounts.code, accounts.class, accounts.asset, holder, normal_side,
        accounts.participant_id,
        (CASE normal_side WHEN 'debit' THEN debits_posted - credits_posted
            ELSE credits_posted - debits_posted END) AS posted,
        (CASE normal_side WHEN 'debit' THEN debits_pending ELSE credits_pending END) AS coming,
        (CASE normal_side WHEN 'debit' THEN credits_pending ELSE debits_pending END) AS leaving,
        debits_pending, debits_posted, credits_pending, credits_posted, transfers
    FROM accounts JOIN account_classes USING (class);
-- Coins that are not yet the participant's, coins not yet sold, coins sold; money that can be paid
-- out, money on its way to a bank, money paid out.
CREATE VIEW participant_balances AS
    SELECT participant_id,
        coalesce(sum(credits_pending) FILTER (WHERE asset = 'BTC'), 0)::bigint AS pending_sat,
        coalesce(sum(credits_posted - debits_posted) FILTER (WHERE asset = 'BTC'), 0)::bigint
            AS mature_sat,
        coalesce(sum(debits_posted) FILTER (WHERE asset = 'BTC'), 0)::bigint AS sold_sat,
        coalesce(sum(credits_posted - debits_posted - debits_pending)
            FILTER (WHERE asset = 'KGS'), 0)::bigint AS due_tyiyn,
        coalesce(sum(debits_pending) FILTER (WHERE asset = 'KGS'), 0)::bigint AS leaving_tyiyn,
        coalesce(sum(debits_posted) FILTER (WHERE asset = 'KGS'), 0)::bigint AS paid_tyiyn
    FROM accounts WHERE participant_id IS NOT NULL GROUP BY participant_id;
-- Each transfer is counted on both of its sides.
CREATE VIEW ledger_check AS
    SELECT bool_and(balanced) AS balanced, (sum(lines) / 2)::bigint AS transfers
    FROM (
        SELECT sum(debits_pending) = sum(credits_pending)
                AND sum(debits_posted) = sum(credits_posted)
                AND sum(transfers) % 2 = 0 AS balanced,
            sum(transfers) AS lines
        FROM accounts GROUP BY asset
    ) AS assets;
"""

GUARD_ACCOUNTS = """
CREATE FUNCTION guard_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- This trigger is the first level; where the update came from that of transfers, the second.
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'accounts are moved by transfers alone' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER moved_by_transfers BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION guard_accounts();
CREATE FUNCTION check_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM opened WHERE (debits_pending, debits_posted, credits_pending, credits_posted,
            transfers) <> (0, 0, 0, 0, 0)
    ) THEN
        RAISE EXCEPTION 'an account opens empty' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER open_empty AFTER INSERT ON accounts REFERENCING NEW TABLE AS opened
    FOR EACH STATEMENT EXECUTE FUNCTION check_opened();
CREATE FUNCTION check_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (
            SELECT asset, debits_pending - credits_pending AS pending,
                debits_posted - credits_posted AS posted FROM later
            UNION ALL
            SELECT asset, credits_pending - debits_pending, credits_posted - debits_posted
            FROM earlier
        ) AS moved GROUP BY asset HAVING sum(pending) <> 0 OR sum(posted) <> 0
    ) THEN
        RAISE EXCEPTION 'debits and credits differ' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stay_balanced AFTER UPDATE ON accounts
    REFERENCING OLD TABLE AS earlier NEW TABLE AS later
    FOR EACH STATEMENT EXECUTE FUNCTION check_balanced();
"""

# A post takes from the pending column, where it was pended, and adds to the posted one; a void only
# takes. Accounts are locked in the order of their codes, so that two writers never wait for each
# other. Plans are kept from a session's first use, when the tables may be all but empty: they must
# go by indexes then already, or the first large block scans whole tables for each of its lines.
APPLY_TRANSFERS = """
CREATE OR REPLACE FUNCTION apply_transfers() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    wrong record;
BEGIN
    IF EXISTS (
        SELECT FROM added_rows AS added LEFT JOIN transfers AS pend
            ON pend.id = added.pending_id AND pend.kind = 'pend'
            AND (pend.debit_account, pend.credit_account, pend.amount, pend.asset, pend.subject,
                 pend.reference)
              = (added.debit_account, added.credit_account, added.amount, added.asset,
                 added.subject, added.reference)
            AND pend.attempt IS NOT DISTINCT FROM added.attempt
        WHERE added.pending_id IS NOT NULL AND pend.id IS NULL
    ) THEN
        RAISE EXCEPTION 'a post or void differs from the transfer it settles'
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO wrong FROM (
        SELECT subject, account_class(debit_account) AS debit, account_class(credit_account)
            AS credit FROM added_rows
        EXCEPT SELECT * FROM ledger_flows
    ) AS flows LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is no flow of a %', wrong.debit || ' from ' || wrong.credit,
            wrong.subject USING ERRCODE = 'check_violation';
    END IF;
    PERFORM FROM accounts
    WHERE code IN (
        SELECT debit_account FROM added_rows UNION SELECT credit_account FROM added_rows
    ) ORDER BY code FOR NO KEY UPDATE;
    WITH sides AS (
        SELECT debit_account AS code, kind, pending_id, amount AS debit, 0 AS credit
        FROM added_rows
        UNION ALL
        SELECT credit_account, kind, pending_id, 0, amount FROM added_rows
    ), moved AS (
        SELECT code, count(*) AS lines,
            sum(CASE WHEN kind = 'pend' THEN debit WHEN pending_id IS NULL THEN 0 ELSE -debit END)
                AS debits_pending,
            sum(CASE WHEN kind = 'pend' THEN credit WHEN pending_id IS NULL THEN 0
                ELSE -credit END) AS credits_pending,
            sum(CASE WHEN kind = 'post' THEN debit ELSE 0 END) AS debits_posted,
            sum(CASE WHEN kind = 'post' THEN credit ELSE 0 END) AS credits_posted
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
    FROM (SELECT block_hash, count(*) AS lines FROM added_rows WHERE subject = 'block'
          GROUP BY block_hash) AS added
    WHERE blocks.hash = added.block_hash;
    RETURN NULL;
END $$;
"""

CHECK_BLOCK = """
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('check_block'::regproc), 'amount_sat', 'amount');
END $$;
"""

# Who may write what: a rule of rows, as both insert into one table.
GRANTS = """
ALTER TABLE transfers ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_is_read ON transfers FOR SELECT
    TO kench_settle, kench_sell, kench_read USING (true);
CREATE POLICY settle_books_blocks ON transfers FOR INSERT TO kench_settle
    WITH CHECK (subject = 'block');
CREATE POLICY sell_books_the_rest ON transfers FOR INSERT TO kench_sell
    WITH CHECK (subject <> 'block');
GRANT INSERT (code) ON accounts TO kench_settle, kench_sell;
GRANT SELECT ON accounts TO kench_settle, kench_sell, kench_read;
GRANT SELECT, INSERT ON transfers TO kench_sell;
GRANT USAGE ON SCHEMA public TO kench_sell;
GRANT SELECT ON alembic_version, blocks, block_credits TO kench_sell;
GRANT SELECT (id, name, state, created_at) ON participants TO kench_sell;
GRANT SELECT ON account_classes, ledger_flows, account_balances, participant_balances, ledger_check
    TO kench_settle, kench_sell, kench_read;
"""


def upgrade() -> None:
    """Bring the second asset into the books."""
    for statements in (
        ROLE,
        CHART,
        ACCOUNTS,
        POSTING_ID,
        TRANSFERS,
        VIEWS,
        GUARD_ACCOUNTS,
        APPLY_TRANSFERS,
        CHECK_BLOCK,
        GRANTS,
    ):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
