"""Blocks of many participants: what was asked for each line of the ledger is asked once for all.

Foreign keys of `transfers` were one question for each line and key, and by plans from when the
accounts were few: each line of a block's first settlement went through all of them. The trigger
that moves balances asks the same of all lines of a statement: both accounts are open and of the
line's asset, its block is booked, its pend is there.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEYS = """
ALTER TABLE transfers
    DROP CONSTRAINT transfers_pending_id_fkey,
    DROP CONSTRAINT transfers_block_hash_fkey,
    DROP CONSTRAINT transfers_debit_account_asset_fkey,
    DROP CONSTRAINT transfers_credit_account_asset_fkey;
-- Half of a page stays free: balances then move within it, and no index has to be told.
ALTER TABLE accounts DROP CONSTRAINT accounts_code_asset_key, SET (fillfactor = 50);
ALTER TABLE block_credits DROP CONSTRAINT block_credits_block_hash_fkey;
-- The keys kept blocks from being taken back, too.
CREATE TRIGGER never_taken_back BEFORE DELETE OR TRUNCATE ON blocks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# The same digest as migration 0007 made it, by one call for each line instead of five.
POSTING_ID = """
CREATE OR REPLACE FUNCTION posting_id(
    kind text, subject text, reference text, debit_account text, credit_account text
) RETURNS bytea LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256('kench posting 1'::bytea
        || int4send(octet_length(convert_to(kind, 'UTF8'))) || convert_to(kind, 'UTF8')
        || int4send(octet_length(convert_to(subject, 'UTF8'))) || convert_to(subject, 'UTF8')
        || int4send(octet_length(convert_to(reference, 'UTF8'))) || convert_to(reference, 'UTF8')
        || int4send(octet_length(convert_to(debit_account, 'UTF8')))
        || convert_to(debit_account, 'UTF8')
        || int4send(octet_length(convert_to(credit_account, 'UTF8')))
        || convert_to(credit_account, 'UTF8'));
END $$;
DROP FUNCTION framed;
"""

# As migration 0002 has it, and besides what the key asked.
APPLY_CREDITS = """
CREATE OR REPLACE FUNCTION apply_credits() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    named bigint;
    met bigint;
BEGIN
    UPDATE blocks SET credits = blocks.credits + added.lines
    FROM (SELECT block_hash, count(*) AS lines FROM added_rows GROUP BY block_hash) AS added
    WHERE blocks.hash = added.block_hash;
    GET DIAGNOSTICS met = ROW_COUNT;
    SELECT count(DISTINCT block_hash) INTO named FROM added_rows;
    IF met <> named THEN
        RAISE EXCEPTION 'a credit is of a block that is not in the books'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
"""

# As migration 0007 has it, and besides what the keys asked. Accounts are locked in the order of
# their codes, so that two writers never wait for each other.
APPLY_TRANSFERS = """
CREATE OR REPLACE FUNCTION apply_transfers() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    wrong record;
    named bigint;
    met bigint;
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
            AS credit, asset FROM added_rows
        EXCEPT
        SELECT flow.subject, debit_class, credit_class, debit.asset
        FROM ledger_flows AS flow JOIN account_classes AS debit ON debit.class = debit_class
        JOIN account_classes AS credit ON (credit.class, credit.asset) = (credit_class, debit.asset)
    ) AS flows LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is no flow of a % in %', wrong.debit || ' from ' || wrong.credit,
            wrong.subject, wrong.asset USING ERRCODE = 'check_violation';
    END IF;
    PERFORM FROM accounts
    WHERE code IN (
        SELECT debit_account FROM added_rows UNION SELECT credit_account FROM added_rows
    ) ORDER BY code FOR NO KEY UPDATE;
    GET DIAGNOSTICS met = ROW_COUNT;
    SELECT count(*) INTO named FROM (
        SELECT debit_account FROM added_rows UNION SELECT credit_account FROM added_rows
    ) AS codes;
    IF met <> named THEN
        RAISE EXCEPTION 'a line is of an account that is not open'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
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
    GET DIAGNOSTICS met = ROW_COUNT;
    SELECT count(DISTINCT block_hash) INTO named FROM added_rows WHERE subject = 'block';
    IF met <> named THEN
        RAISE EXCEPTION 'a line is of a block that is not in the books'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Ask once for all lines of a statement."""
    for statements in (KEYS, POSTING_ID, APPLY_CREDITS, APPLY_TRANSFERS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
