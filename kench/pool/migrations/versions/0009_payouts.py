"""Payouts: bank accounts, batches, payments, and what the bank said of them.

Rules that the database itself holds, whoever writes:
  - accounts, batches, files and entries of the bank are never changed or taken back;
  - a payment goes from pended to booked or rejected, from booked to returned, and no other way;
  - the payments of a batch sum to it, and its digest is that of its document;
  - at commit a payment and its lines in the ledger say the same (`check_payout`), and so do what
    the bank told of a venue's proceeds and their line (`check_bank`): no line without a row.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE bank_accounts (
    -- 0 is the operator.
    participant_id bigint CHECK (participant_id >= 0),
    version integer CHECK (version > 0),
    holder text NOT NULL CHECK (char_length(holder) BETWEEN 1 AND 140),
    number text NOT NULL CHECK (number <> ''),
    bank text NOT NULL CHECK (bank ~ '^([0-9]{6}|[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?)$'),
    -- What the participant itself wants as its least payout, where more than the order's.
    threshold_tyiyn bigint CHECK (threshold_tyiyn > 0),
    at timestamptz NOT NULL,
    PRIMARY KEY (participant_id, version)
);
CREATE TABLE payout_batches (
    batch integer PRIMARY KEY CHECK (batch > 0),
    kind text NOT NULL CHECK (kind IN ('clients', 'operator')),
    message_id text NOT NULL UNIQUE CHECK (char_length(message_id) BETWEEN 1 AND 35),
    made_at timestamptz NOT NULL,
    -- The order of the authorised body whose threshold it followed.
    order_number integer NOT NULL,
    payouts integer NOT NULL CHECK (payouts > 0),
    total_tyiyn bigint NOT NULL CHECK (total_tyiyn > 0),
    document bytea NOT NULL,
    sha256 bytea NOT NULL CHECK (sha256 = sha256(document))
);
CREATE TABLE payouts (
    end_to_end_id text PRIMARY KEY CHECK (char_length(end_to_end_id) BETWEEN 1 AND 35),
    participant_id bigint NOT NULL,
    amount_tyiyn bigint NOT NULL CHECK (amount_tyiyn > 0),
    batch integer NOT NULL REFERENCES payout_batches,
    account_version integer NOT NULL,
    state text NOT NULL DEFAULT 'pended'
        CHECK (state IN ('pended', 'booked', 'rejected', 'returned')),
    reason text NOT NULL DEFAULT '',
    -- The bank's own references of the debit, and of the credit that took it back.
    bank_reference text NOT NULL DEFAULT '',
    return_reference text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    UNIQUE (batch, participant_id),
    FOREIGN KEY (participant_id, account_version) REFERENCES bank_accounts
);
CREATE INDEX payouts_participant ON payouts (participant_id);
CREATE TABLE bank_files (
    sha256 bytea PRIMARY KEY CHECK (sha256 = sha256(document)),
    kind text NOT NULL,
    name text NOT NULL,
    document bytea NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE TABLE bank_entries (
    -- Digest of what the entry says and what came of it: the same is kept once.
    id bytea PRIMARY KEY CHECK (length(id) = 32),
    file_sha256 bytea NOT NULL REFERENCES bank_files,
    outcome text NOT NULL,
    direction text NOT NULL,
    reference text NOT NULL,
    end_to_end_id text NOT NULL,
    amount_tyiyn bigint,
    currency text NOT NULL,
    counterparty text NOT NULL,
    reason text NOT NULL,
    booked_date text NOT NULL,
    taken_at timestamptz NOT NULL
);
CREATE INDEX bank_entries_reference ON bank_entries (reference);
INSERT INTO ledger_flows VALUES ('payout', 'bank:clients', 'fee:pool') ON CONFLICT DO NOTHING;
"""

GUARDS = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_batches
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_files
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_taken_back BEFORE DELETE OR TRUNCATE ON payouts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'pended' THEN
            RAISE EXCEPTION 'a payout begins as pended' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.end_to_end_id, NEW.participant_id, NEW.amount_tyiyn, NEW.batch, NEW.account_version)
        <> (OLD.end_to_end_id, OLD.participant_id, OLD.amount_tyiyn, OLD.batch,
            OLD.account_version) THEN
        RAISE EXCEPTION 'what a payout is never changes' USING ERRCODE = 'restrict_violation';
    ELSIF (OLD.state, NEW.state) NOT IN
        (('pended', 'booked'), ('pended', 'rejected'), ('booked', 'returned')) THEN
        RAISE EXCEPTION 'there is no way of a payout from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout BEFORE INSERT OR UPDATE ON payouts
    FOR EACH ROW EXECUTE FUNCTION guard_payout();
"""

# From either end: a payment that changes, or a line about one.
CHECK_PAYOUT = """
CREATE FUNCTION check_payout() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    payout payouts%ROWTYPE;
    account text;
    has record;
    total record;
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
    SELECT count(*) AS payouts, sum(amount_tyiyn) AS tyiyn INTO total
    FROM payouts WHERE batch = payout.batch;
    IF NOT EXISTS (SELECT FROM payout_batches AS made WHERE made.batch = payout.batch
                   AND (made.payouts, made.total_tyiyn) = (total.payouts, total.tyiyn)) THEN
        RAISE EXCEPTION 'the payouts of batch % do not sum to it', payout.batch
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_payout AFTER INSERT OR UPDATE ON payouts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_payout();
CREATE CONSTRAINT TRIGGER check_payout AFTER INSERT ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.subject = 'payout')
    EXECUTE FUNCTION check_payout();
"""

# From either end: what the bank said, or a line about it. A reference is booked once, to one venue.
CHECK_BANK = """
CREATE FUNCTION check_bank() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    told record;
    booked record;
BEGIN
    SELECT count(*) AS entries, sum(amount_tyiyn) AS tyiyn INTO told
    FROM bank_entries WHERE reference = NEW.reference AND outcome = 'venue_credited';
    SELECT count(*) AS lines,
        sum(amount) FILTER (WHERE kind = 'post' AND debit_account = 'bank:clients') AS tyiyn
    INTO booked FROM transfers WHERE subject = 'bank' AND reference = NEW.reference;
    IF told.entries <> 1 OR booked.lines <> 1 OR told.tyiyn IS DISTINCT FROM booked.tyiyn THEN
        RAISE EXCEPTION 'reference % of the bank: % entries of % tyiyn, % lines of % tyiyn',
            NEW.reference, told.entries, told.tyiyn, booked.lines, booked.tyiyn
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_bank AFTER INSERT ON bank_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.outcome = 'venue_credited')
    EXECUTE FUNCTION check_bank();
CREATE CONSTRAINT TRIGGER check_bank AFTER INSERT ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.subject = 'bank')
    EXECUTE FUNCTION check_bank();
"""

GRANTS = """
GRANT SELECT ON bank_accounts, payout_batches, payouts, bank_files, bank_entries
    TO kench_sell, kench_read;
GRANT INSERT ON bank_accounts, payout_batches, payouts, bank_files, bank_entries TO kench_sell;
GRANT UPDATE (state, reason, bank_reference, return_reference, changed_at) ON payouts
    TO kench_sell;
"""


def upgrade() -> None:
    """Make the tables of payouts."""
    for statements in (TABLES, GUARDS, CHECK_PAYOUT, CHECK_BANK, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
