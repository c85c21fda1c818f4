"""What officers write off of a lot leaves the accounts of its participants, line by line.

Rules that the database itself holds, whoever writes:
  - a line about a write-off is of a remainder that was written off: its lot, participant, satoshi;
  - at commit each remainder that was written off has its line.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# `kench.payouts.accounts` says the same in Python.
CHART = """
CREATE OR REPLACE FUNCTION account_class(code text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE
    WHEN code IN ('coinbase', 'unassigned', 'unassigned:kgs', 'trade:btc', 'trade:kgs', 'fee:pool',
                  'bank:clients', 'bank:operator', 'written_off') THEN code
    WHEN code ~ '^participant:[1-9][0-9]{0,17}$' THEN 'participant'
    WHEN code ~ '^participant:[1-9][0-9]{0,17}\\:kgs$' THEN 'participant:kgs'
    WHEN code ~ '^venue:[a-z0-9][a-z0-9_.-]{0,63}\\:btc$' THEN 'venue:btc'
    WHEN code ~ '^venue:[a-z0-9][a-z0-9_.-]{0,63}\\:kgs$' THEN 'venue:kgs'
    WHEN code ~ '^fee:venue:[a-z0-9][a-z0-9_.-]{0,63}$' THEN 'fee:venue'
END;
ALTER TABLE account_classes DROP CONSTRAINT account_classes_holder_check,
    ADD CHECK (holder IN ('client', 'operator', 'clearing', 'nobody'));
INSERT INTO account_classes VALUES ('written_off', 'BTC', 'credit', 'nobody', false);
ALTER TABLE ledger_flows DROP CONSTRAINT ledger_flows_subject_check,
    ADD CHECK (subject IN ('block', 'lot', 'fill', 'settlement', 'payout', 'bank', 'write_off'));
INSERT INTO ledger_flows VALUES
    ('write_off', 'participant', 'written_off'),
    ('write_off', 'unassigned', 'written_off');
INSERT INTO accounts (code) VALUES ('written_off');
"""

LINES = """
CREATE INDEX lot_remainders_written_off ON lot_remainders (participant_id)
    WHERE kind = 'written_off';
CREATE FUNCTION lines_of_write_off(of_block text, of_vout integer)
RETURNS TABLE (reference text, debit_account text, amount bigint) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coinbase_txid || '\\:' || vout, CASE participant_id WHEN 0 THEN 'unassigned'
        ELSE 'participant:' || participant_id END, lot_remainders.amount_sat
    FROM lot_remainders JOIN lots USING (block_hash, vout)
    WHERE (block_hash, vout) = (of_block, of_vout) AND kind = 'written_off';
END;
-- Of lots that were written off before.
INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject, reference)
SELECT posting_id('post', 'write_off', reference, debit_account, 'written_off'), 'post', 'BTC',
    debit_account, 'written_off', amount, 'write_off', reference
FROM lots, lines_of_write_off(block_hash, vout);
CREATE FUNCTION check_write_offs() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT added.reference, added.kind INTO wrong FROM added_rows AS added
    WHERE subject = 'write_off' AND (kind <> 'post' OR pending_id IS NOT NULL);
    IF FOUND THEN
        RAISE EXCEPTION 'the write-off of lot % is final at once', wrong.reference
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO wrong FROM (
        SELECT reference, debit_account, amount FROM added_rows WHERE subject = 'write_off'
        EXCEPT
        SELECT lines.* FROM lots, lines_of_write_off(block_hash, vout) AS lines
        WHERE (coinbase_txid, vout) IN (
            SELECT split_part(reference, ':', 1), CASE WHEN split_part(reference, ':', 2)
                ~ '^[0-9]{1,9}$' THEN split_part(reference, ':', 2)::integer END
            FROM added_rows WHERE subject = 'write_off')
    ) AS odd LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a line about the write-off of lot % is not of it', wrong.reference
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_write_offs AFTER INSERT ON transfers REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION check_write_offs();
CREATE FUNCTION check_written_off() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    account text := CASE NEW.participant_id WHEN 0 THEN 'unassigned'
        ELSE 'participant:' || NEW.participant_id END;
    named text;
BEGIN
    SELECT coinbase_txid || ':' || vout INTO named FROM lots
    WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout);
    -- Found by its id, which says all but the amount; that was checked when it was written.
    IF NOT EXISTS (SELECT FROM transfers WHERE amount = NEW.amount_sat AND id
                   = posting_id('post', 'write_off', named, account, 'written_off')) THEN
        RAISE EXCEPTION 'what % loses by the write-off of lot % is not in the ledger', account,
            named USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_written_off AFTER INSERT ON lot_remainders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind = 'written_off')
    EXECUTE FUNCTION check_written_off();
"""

# What was written off was not sold.
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
        coalesce(sum(debits_posted) FILTER (WHERE asset = 'KGS'), 0)::bigint AS paid_tyiyn,
        coalesce(max(written_off.sat), 0)::bigint AS written_off_sat
    FROM accounts LEFT JOIN (
        SELECT participant_id, sum(amount_sat) AS sat FROM lot_remainders
        WHERE kind = 'written_off' GROUP BY participant_id
    ) AS written_off USING (participant_id)
    WHERE participant_id IS NOT NULL GROUP BY participant_id;
"""


def upgrade() -> None:
    """Let claims that are written off leave the books of participants."""
    for statements in (CHART, LINES, VIEW):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
