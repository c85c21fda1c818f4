"""The bank's statements: what they say of the account as a whole, to compare with the ledger.

They are kept as the bank's entries are: never changed, never taken back. What is asked of batches
and entries at each file has indexes.

That the payouts of a batch sum to it is asked once at its commit, and no longer for each of their
lines, which took a batch of 10,000 half a minute at every step. A payout that is more than its
batch has room for is refused at once.
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

# As in 0009, without the sum of the batch.
CHECK_PAYOUT = """
CREATE OR REPLACE FUNCTION check_payout() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    payout payouts%ROWTYPE;
    account text;
    has record;
BEGIN
    SELECT * INTO payout FROM payouts WHERE end_to_end_id
        = CASE WHEN TG_TABLE_NAME = 'payouts' THEN to_jsonb(NEW) ->> 'end_to_end_id'
          ELSE to_jsonb(NEW) ->> 'reference' END;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a line names payout %, and there is none', to_jsonb(NEW) ->> 'reference'
            USING ERRCODE = 'check_violation';
    END IF;
    account := CASE payout.participant_id WHEN 0 THEN 'fee:pool'
        ELSE 'participant:' || payout.participant_id || '\\:kgs' END;
    SELECT coalesce(sum(amount) FILTER (WHERE kind = 'pend'), 0) AS pended,
        coalesce(sum(amount) FILTER (WHERE kind = 'post' AND pending_id IS NOT NULL), 0) AS posted,
        coalesce(sum(amount) FILTER (WHERE kind = 'void'), 0) AS voided,
        coalesce(sum(amount) FILTER (WHERE kind = 'post' AND pending_id IS NULL
            AND credit_account = account), 0) AS returned,
        count(*) FILTER (WHERE account NOT IN (debit_account, credit_account)) AS of_others
    INTO has FROM transfers WHERE subject = 'payout' AND reference = payout.end_to_end_id;
    IF (has.pended, has.posted, has.voided, has.returned, has.of_others) <> (
        payout.amount_tyiyn,
        CASE WHEN payout.state IN ('booked', 'returned') THEN payout.amount_tyiyn ELSE 0 END,
        CASE WHEN payout.state = 'rejected' THEN payout.amount_tyiyn ELSE 0 END,
        CASE WHEN payout.state = 'returned' THEN payout.amount_tyiyn ELSE 0 END,
        0
    ) THEN
        RAISE EXCEPTION 'payout % is %, but its transfers say otherwise', payout.end_to_end_id,
            payout.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""

CHECK_BATCH = """
CREATE FUNCTION check_batch() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.payouts, NEW.total_tyiyn) IS DISTINCT FROM (
        SELECT (count(*)::integer, sum(amount_tyiyn)::bigint) FROM payouts
        WHERE batch = NEW.batch
    ) THEN
        RAISE EXCEPTION 'the payouts of batch % do not sum to it', NEW.batch
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_batch AFTER INSERT ON payout_batches
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_batch();
CREATE FUNCTION check_room() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    full_batch integer;
BEGIN
    SELECT made.batch INTO full_batch
    FROM payout_batches AS made JOIN payouts USING (batch)
    WHERE made.batch IN (SELECT batch FROM fresh)
    GROUP BY made.batch
    HAVING count(*) > max(made.payouts) OR sum(amount_tyiyn) > max(made.total_tyiyn);
    IF FOUND THEN
        RAISE EXCEPTION 'the payouts of batch % are more than it', full_batch
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_room AFTER INSERT ON payouts REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_room();
"""


def upgrade() -> None:
    """Make the table, its indexes and the checks."""
    for statements in (STATEMENTS, CHECK_PAYOUT, CHECK_BATCH):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
