"""The hand-over of income: what kench_tax may read, who asked what, messages, rejections that wait.

What is handed over is what a closed period held: a row of `income_releases` says so for each
closing, written by PostgreSQL with it. The rows' serial is the order in which closings were
committed, so whoever reads corrections in that order misses none.
"""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

RELEASES = """
CREATE TABLE income_releases (
    serial         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period         text NOT NULL,
    version        integer NOT NULL,
    -- Documents of the period from above the one to the other came with this closing.
    after_sequence bigint NOT NULL CHECK (after_sequence >= 0),
    last_sequence  bigint NOT NULL CHECK (last_sequence >= after_sequence),
    records        integer NOT NULL CHECK (records >= 0),
    corrections    integer NOT NULL CHECK (corrections BETWEEN 0 AND records),
    at             timestamptz NOT NULL,
    UNIQUE (period, version),
    FOREIGN KEY (period, version) REFERENCES income_closings
);
CREATE INDEX income_releases_corrections ON income_releases (serial) WHERE corrections > 0;

CREATE FUNCTION release_income() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before bigint;
BEGIN
    -- One closing at a time, until it is committed.
    LOCK TABLE income_releases IN SHARE ROW EXCLUSIVE MODE;
    SELECT coalesce(max(last_sequence), 0) INTO before
    FROM income_releases WHERE period = NEW.period;
    INSERT INTO income_releases
        (period, version, after_sequence, last_sequence, records, corrections, at)
    SELECT NEW.period, NEW.version, before, coalesce(max(sequence), before), count(*),
        count(*) FILTER (WHERE doc_type <> 'new'), NEW.at
    FROM income_records WHERE period = NEW.period AND sequence > before;
    RETURN NULL;
END $$;
CREATE TRIGGER release_income AFTER INSERT ON income_closings
    FOR EACH ROW WHEN (NEW.kind = 'closed') EXECUTE FUNCTION release_income();
"""

VIEWS = """
CREATE VIEW tax_records AS
    SELECT sequence, doc_ref, period, participant_id, day, doc_type, content, sha256
    FROM income_records
    WHERE sequence <= (SELECT max(last_sequence) FROM income_releases
                       WHERE income_releases.period = income_records.period);

CREATE VIEW tax_closings AS
    SELECT period, version, kind, digest, records, participants, accrued_sat, sold_sat,
        gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, net_tyiyn, paid_tyiyn, content, act_1, act_2,
        order_number, at
    FROM income_closings;

-- Of all that people sign, what officers signed about periods.
CREATE VIEW tax_signatures AS
    SELECT closing.period, closing.version, acts.id AS act_id, acts.content, acts.signature,
        acts.signed_at,
        ARRAY(SELECT kept.content FROM unnest(acts.certificates) WITH ORDINALITY
              AS named (digest, place) JOIN act_evidence AS kept USING (digest)
              ORDER BY place) AS certificates,
        ARRAY(SELECT kept.content FROM unnest(acts.crls) WITH ORDINALITY
              AS named (digest, place) JOIN act_evidence AS kept USING (digest)
              ORDER BY place) AS crls,
        ARRAY(SELECT kept.content FROM unnest(acts.ocsps) WITH ORDINALITY
              AS named (digest, place) JOIN act_evidence AS kept USING (digest)
              ORDER BY place) AS ocsps
    FROM income_closings AS closing
    JOIN signed_acts AS acts ON acts.id IN (closing.act_1, closing.act_2);

CREATE INDEX register_entries_by_number
    ON register_entries ((content #>> '{applicant,tax_number}'));
CREATE VIEW tax_register AS
    SELECT entry.participant_id, entry.version, entry.at AS entered_at,
        (SELECT state FROM membership_events AS event
         WHERE event.participant_id = entry.participant_id ORDER BY id DESC LIMIT 1) AS state,
        entry.content #>> '{applicant,kind}' AS kind,
        entry.content #>> '{applicant,name}' AS name,
        entry.content #>> '{applicant,tax_number}' AS tax_number,
        entry.content #>> '{certificate,number}' AS certificate_number,
        entry.content #>> '{certificate,issued}' AS certificate_issued
    FROM register_entries AS entry
    WHERE NOT EXISTS (SELECT FROM register_entries AS later
        WHERE later.participant_id = entry.participant_id AND later.version > entry.version);
"""

TABLES = """
CREATE TABLE tax_requests (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xroad_id       uuid NOT NULL,
    client         text NOT NULL CHECK (char_length(client) <= 1200),
    user_id        text NOT NULL CHECK (char_length(user_id) <= 100),
    method         text NOT NULL CHECK (char_length(method) <= 20),
    -- Without a personal number: of whom something was asked says the next column.
    path           text NOT NULL CHECK (char_length(path) <= 500),
    participant_id integer,
    request_hash   bytea CHECK (octet_length(request_hash) = 64),
    status         smallint NOT NULL,
    answer_sha256  bytea NOT NULL CHECK (octet_length(answer_sha256) = 32),
    at             timestamptz NOT NULL
);
CREATE INDEX tax_requests_by_age ON tax_requests (at);
CREATE INDEX tax_requests_by_id ON tax_requests (xroad_id);
CREATE INDEX tax_requests_of ON tax_requests (participant_id, at) WHERE participant_id IS NOT NULL;

-- What a request was answered with, for whoever sends it again by the same id.
CREATE TABLE tax_answers (
    client         text NOT NULL,
    xroad_id       uuid NOT NULL,
    request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    body           bytea NOT NULL CHECK (octet_length(body) <= 1048576),
    at             timestamptz NOT NULL,
    PRIMARY KEY (client, xroad_id)
);
CREATE INDEX tax_answers_by_age ON tax_answers (at);

CREATE FUNCTION keep_thirty_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at > now() - interval '30 days' THEN
        RAISE EXCEPTION 'what was asked is kept for thirty days at least'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER keep_thirty_days BEFORE DELETE ON tax_requests
    FOR EACH ROW EXECUTE FUNCTION keep_thirty_days();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON tax_requests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keep_thirty_days BEFORE DELETE ON tax_answers
    FOR EACH ROW EXECUTE FUNCTION keep_thirty_days();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON tax_answers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Messages to the tax service, sent until they are answered.
CREATE TABLE income_pushes (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release        bigint NOT NULL REFERENCES income_releases,
    after_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL CHECK (last_sequence > after_sequence),
    records        integer NOT NULL CHECK (records BETWEEN 1 AND 1000),
    xroad_id       uuid NOT NULL UNIQUE,
    queued_at      timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,
    tries          smallint NOT NULL DEFAULT 0 CHECK (tries >= 0),
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    fault          text NOT NULL DEFAULT '' CHECK (char_length(fault) <= 200),
    answered_at    timestamptz,
    answer_sha256  bytea CHECK (octet_length(answer_sha256) = 32),
    UNIQUE (release, after_sequence),
    CHECK ((state = 'sent') = (answered_at IS NOT NULL)),
    CHECK ((state = 'sent') = (answer_sha256 IS NOT NULL))
);
CREATE INDEX income_pushes_due ON income_pushes (due_at) WHERE state = 'waiting';
CREATE INDEX income_pushes_failed ON income_pushes (id) WHERE state = 'failed';

CREATE FUNCTION keep_income_push() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.release, NEW.after_sequence, NEW.last_sequence, NEW.records, NEW.xroad_id)
        <> (OLD.release, OLD.after_sequence, OLD.last_sequence, OLD.records, OLD.xroad_id)
        OR OLD.state = 'sent'
    THEN
        RAISE EXCEPTION 'message % is sent as it was queued, once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_income_push BEFORE UPDATE ON income_pushes
    FOR EACH ROW EXECUTE FUNCTION keep_income_push();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON income_pushes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What an officer says was done about a record that was rejected.
CREATE TABLE income_rejection_notes (
    receipt_id bigint PRIMARY KEY REFERENCES income_receipts,
    note       text NOT NULL CHECK (char_length(note) BETWEEN 1 AND 1000),
    person_id  integer NOT NULL REFERENCES persons,
    at         timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON income_rejection_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Rejections that nobody has said anything about yet; kept by trigger, few.
CREATE TABLE income_rejection_queue (
    receipt_id bigint PRIMARY KEY REFERENCES income_receipts
);
CREATE FUNCTION queue_rejections() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO income_rejection_queue SELECT id FROM added_rows WHERE status = 'rejected';
    RETURN NULL;
END $$;
CREATE TRIGGER queue_rejections AFTER INSERT ON income_receipts
    REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION queue_rejections();
CREATE FUNCTION leave_rejection_queue() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM income_rejection_queue WHERE receipt_id = NEW.receipt_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'receipt % is no rejection that waits', NEW.receipt_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER leave_rejection_queue AFTER INSERT ON income_rejection_notes
    FOR EACH ROW EXECUTE FUNCTION leave_rejection_queue();
CREATE INDEX income_rejection_notes_by_time ON income_rejection_notes (at);
"""

GRANTS = """
REVOKE SELECT ON exchange_rates, income_periods, income_records, income_in_force, income_closings,
    income_participants FROM kench_tax;
GRANT SELECT ON tax_records, tax_closings, tax_signatures, tax_register, income_releases
    TO kench_tax;
GRANT SELECT, INSERT, DELETE ON tax_requests, tax_answers TO kench_tax;
GRANT SELECT, INSERT, UPDATE (due_at, tries, state, fault, answered_at, answer_sha256)
    ON income_pushes TO kench_tax;
GRANT SELECT ON income_rejection_queue, income_pushes, income_releases, tax_requests
    TO kench_cabinet, kench_read;
GRANT SELECT, INSERT ON income_rejection_notes TO kench_cabinet;
GRANT SELECT ON income_rejection_notes TO kench_read;
"""


def upgrade() -> None:
    """Make what is handed over readable, and nothing else."""
    for statements in (RELEASES, VIEWS, TABLES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: who was told what is not thrown away by a schema change."""
    raise NotImplementedError("the hand-over is never downgraded: restore a backup instead")
