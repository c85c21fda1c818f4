"""Income for the tax service: records, closed periods, receipts, official rates; role kench_tax.

Rules that the database itself holds, whoever writes:
  - records, closings, receipts and rates are never changed or taken back; a record has the digest
    of its content, one document begins each participant's day, and each is corrected once at most;
  - a closed period takes no record; it is closed, and opened again, by what two officers signed;
  - at commit a closing has the sums and the digest of the period's records;
  - what a settled lot's participants bear of its fees sums to those fees.
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

# Roles belong to the whole server, so another database may have made it.
ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kench_tax') THEN
        BEGIN
            CREATE ROLE kench_tax NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO kench_tax;
GRANT SELECT ON alembic_version TO kench_tax;
"""

# Of what was settled before, the odd tyiyn go as those of the net: to the largest fractions.
FEES = """
ALTER TABLE lot_settlement_lines
    ADD COLUMN venue_fee_tyiyn bigint NOT NULL DEFAULT 0 CHECK (venue_fee_tyiyn >= 0),
    ADD COLUMN pool_fee_tyiyn bigint NOT NULL DEFAULT 0 CHECK (pool_fee_tyiyn >= 0);
ALTER TABLE lot_settlement_lines DISABLE TRIGGER append_only;
WITH due AS (
    SELECT block_hash, vout, participant_id,
        div(settled.venue_fee_tyiyn::numeric * amount_sat, sold_sat) AS venue,
        mod(settled.venue_fee_tyiyn::numeric * amount_sat, sold_sat) AS venue_rest,
        div(settled.pool_fee_tyiyn::numeric * amount_sat, sold_sat) AS pool,
        mod(settled.pool_fee_tyiyn::numeric * amount_sat, sold_sat) AS pool_rest,
        settled.venue_fee_tyiyn AS venue_whole, settled.pool_fee_tyiyn AS pool_whole
    FROM lot_settlement_lines JOIN lot_settlements AS settled USING (block_hash, vout)
), placed AS (
    SELECT block_hash, vout, participant_id, venue, pool,
        venue_whole - sum(venue) OVER lot AS venue_odd, pool_whole - sum(pool) OVER lot AS pool_odd,
        row_number() OVER (PARTITION BY block_hash, vout ORDER BY venue_rest DESC, participant_id)
            AS venue_place,
        row_number() OVER (PARTITION BY block_hash, vout ORDER BY pool_rest DESC, participant_id)
            AS pool_place
    FROM due WINDOW lot AS (PARTITION BY block_hash, vout)
)
UPDATE lot_settlement_lines AS line
SET venue_fee_tyiyn = venue + CASE WHEN venue_place <= venue_odd THEN 1 ELSE 0 END,
    pool_fee_tyiyn = pool + CASE WHEN pool_place <= pool_odd THEN 1 ELSE 0 END
FROM placed WHERE (line.block_hash, line.vout, line.participant_id)
    = (placed.block_hash, placed.vout, placed.participant_id);
ALTER TABLE lot_settlement_lines ENABLE TRIGGER append_only;
CREATE FUNCTION check_settlement_fees() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.venue_fee_tyiyn, NEW.pool_fee_tyiyn) <> (
        SELECT coalesce(sum(venue_fee_tyiyn), 0), coalesce(sum(pool_fee_tyiyn), 0)
        FROM lot_settlement_lines WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)
    ) THEN
        RAISE EXCEPTION 'the settlement of lot % has fees that its lines do not sum to',
            NEW.reference USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_settlement_fees AFTER INSERT ON lot_settlements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_settlement_fees();
"""

TABLES = """
-- Lines of a day and of a month: the ledger grows in the order of time.
CREATE INDEX transfers_by_time ON transfers USING brin (created_at);

CREATE TABLE exchange_rates (
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    day          date NOT NULL,
    som_per_unit numeric(24, 8) NOT NULL CHECK (som_per_unit > 0),
    source       text NOT NULL CHECK (char_length(source) BETWEEN 1 AND 200),
    imported_at  timestamptz NOT NULL,
    PRIMARY KEY (currency, day)
);

-- What a period is now; kept by trigger, locked by whoever adds a record or closes.
CREATE TABLE income_periods (
    period  text PRIMARY KEY CHECK (period ~ '^20[0-9]{2}-(0[1-9]|1[0-2])$'),
    version integer NOT NULL DEFAULT 0 CHECK (version >= 0),
    closed  boolean NOT NULL DEFAULT false
);

CREATE TABLE income_records (
    -- In the order in which they are handed over: the cursor of pages and corrections.
    sequence         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    doc_ref          text NOT NULL UNIQUE,
    period           text NOT NULL,
    participant_id   integer NOT NULL CHECK (participant_id > 0),
    day              date NOT NULL,
    asset            text NOT NULL CHECK (asset = 'BTC'),
    doc_type         text NOT NULL CHECK (doc_type IN ('new', 'correct', 'delete')),
    corrects         text REFERENCES income_records (doc_ref),
    accrued_sat      bigint NOT NULL CHECK (accrued_sat >= 0),
    sold_sat         bigint NOT NULL CHECK (sold_sat >= 0),
    gross_tyiyn      bigint NOT NULL CHECK (gross_tyiyn >= 0),
    venue_fee_tyiyn  bigint NOT NULL CHECK (venue_fee_tyiyn >= 0),
    pool_fee_tyiyn   bigint NOT NULL CHECK (pool_fee_tyiyn >= 0),
    net_tyiyn        bigint NOT NULL CHECK (net_tyiyn >= 0),
    -- Below zero on a day on which more came back from the bank than went there.
    paid_tyiyn       bigint NOT NULL,
    content          bytea NOT NULL CHECK (octet_length(content) <= 8388608),
    sha256           bytea NOT NULL CHECK (sha256 = sha256(content)),
    made_at          timestamptz NOT NULL,
    CHECK ((doc_type = 'new') = (corrects IS NULL)),
    CHECK (gross_tyiyn = venue_fee_tyiyn + pool_fee_tyiyn + net_tyiyn),
    CHECK (period = to_char(day, 'YYYY-MM')),
    CHECK (starts_with(doc_ref, 'KG-' || period || '-' || participant_id || '-'
        || to_char(day, 'YYYY-MM-DD') || '-') AND doc_ref ~ '[0-9]-[1-9][0-9]{0,5}$'),
    CHECK (corrects IS NULL OR corrects <> doc_ref)
);
CREATE UNIQUE INDEX income_records_begin ON income_records (participant_id, day, asset)
    WHERE doc_type = 'new';
CREATE UNIQUE INDEX income_records_corrected ON income_records (corrects)
    WHERE corrects IS NOT NULL;
CREATE INDEX income_records_of ON income_records (participant_id, period, sequence);
CREATE INDEX income_records_by_period ON income_records (period, sequence);
CREATE INDEX income_corrections ON income_records (sequence) WHERE doc_type <> 'new';

CREATE TABLE income_closings (
    period          text NOT NULL REFERENCES income_periods,
    version         integer NOT NULL CHECK (version > 0),
    kind            text NOT NULL CHECK (kind IN ('closed', 'reopened')),
    -- SHA-256 over the digests of all of the period's documents, in the order of their sequence.
    digest          bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- How many documents that is; the rest is of those in force.
    records         integer NOT NULL CHECK (records >= 0),
    participants    integer NOT NULL CHECK (participants >= 0),
    accrued_sat     bigint NOT NULL,
    sold_sat        bigint NOT NULL,
    gross_tyiyn     bigint NOT NULL,
    venue_fee_tyiyn bigint NOT NULL,
    pool_fee_tyiyn  bigint NOT NULL,
    net_tyiyn       bigint NOT NULL,
    paid_tyiyn      bigint NOT NULL,
    -- The data in the last line of what both officers signed.
    content         bytea NOT NULL,
    act_1           bigint NOT NULL UNIQUE REFERENCES signed_acts,
    act_2           bigint NOT NULL UNIQUE REFERENCES signed_acts,
    -- The order of the authorised body that a reopening rests on.
    order_number    integer REFERENCES order_acceptances,
    at              timestamptz NOT NULL,
    PRIMARY KEY (period, version),
    CHECK (act_1 <> act_2),
    CHECK ((kind = 'reopened') = (order_number IS NOT NULL)),
    CHECK ((kind = 'reopened') = (version % 2 = 0))
);

CREATE TABLE income_receipts (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    doc_ref  text NOT NULL REFERENCES income_records (doc_ref),
    consumer text NOT NULL CHECK (char_length(consumer) BETWEEN 1 AND 300),
    status   text NOT NULL CHECK (status IN ('accepted', 'rejected')),
    code     text NOT NULL CHECK (char_length(code) <= 64),
    words    text NOT NULL CHECK (char_length(words) <= 1000),
    xroad_id uuid NOT NULL,
    at       timestamptz NOT NULL
);
CREATE INDEX income_receipts_of ON income_receipts (doc_ref, id);
CREATE INDEX income_receipts_rejected ON income_receipts (id) WHERE status = 'rejected';

-- Documents that say what a day was now: not taken back, and corrected by no other.
CREATE VIEW income_in_force AS
    SELECT * FROM income_records AS record
    WHERE doc_type <> 'delete' AND NOT EXISTS (
        SELECT FROM income_records AS later WHERE later.corrects = record.doc_ref);

-- Of the Electronic Register what the tax service is told, and no more.
CREATE VIEW income_participants AS
    SELECT participants.id AS participant_id, participants.name,
        entry.content #>> '{applicant,tax_number}' AS tax_number,
        entry.content #>> '{applicant,kind}' AS kind,
        entry.content #>> '{applicant,address}' AS address,
        entry.content #>> '{certificate,number}' AS certificate,
        (SELECT sum((machine ->> 'planned_kwh_month')::numeric)::bigint
         FROM jsonb_array_elements(entry.content -> 'equipment') AS machine) AS planned_kwh_month
    FROM participants LEFT JOIN LATERAL (
        SELECT content FROM register_entries WHERE participant_id = participants.id
        ORDER BY version DESC LIMIT 1
    ) AS entry ON true;
"""

GUARD_RECORDS = """
CREATE FUNCTION open_income_period() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO income_periods (period) VALUES (NEW.period) ON CONFLICT DO NOTHING;
    RETURN NEW;
END $$;
CREATE TRIGGER open_income_period BEFORE INSERT ON income_closings
    FOR EACH ROW EXECUTE FUNCTION open_income_period();
CREATE FUNCTION guard_income_records() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    INSERT INTO income_periods (period) SELECT DISTINCT period FROM added_rows
    ON CONFLICT DO NOTHING;
    -- Closing writes this row: both wait for each other, and the second sees what the first did.
    PERFORM FROM income_periods WHERE period IN (SELECT period FROM added_rows)
    ORDER BY period FOR SHARE;
    SELECT period INTO wrong FROM income_periods
    WHERE closed AND period IN (SELECT period FROM added_rows) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'period % is closed: an order opens it again', wrong.period
            USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT added.doc_ref INTO wrong
    FROM added_rows AS added JOIN income_records AS before ON before.doc_ref = added.corrects
    WHERE (before.participant_id, before.day, before.asset, before.period)
        <> (added.participant_id, added.day, added.asset, added.period)
        OR before.sequence >= added.sequence LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'document % corrects one of another day', wrong.doc_ref
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_income_records AFTER INSERT ON income_records
    REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION guard_income_records();
"""

# Not by a policy of rows: COPY does not work with one.
OF_OFFICERS = """
CREATE FUNCTION guard_income_of_officers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'kench_cabinet' AND EXISTS (
        SELECT FROM added_rows WHERE doc_type = 'new'
    ) THEN
        RAISE EXCEPTION 'officers correct what is there: what begins a day comes from settlement'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_income_of_officers AFTER INSERT ON income_records
    REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION guard_income_of_officers();
"""

# The last line of what was signed is the closing as data.
GUARD_CLOSINGS = """
CREATE FUNCTION guard_income_closing() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    state income_periods%ROWTYPE;
    has record;
    digest bytea;
    signed integer;
BEGIN
    SELECT * INTO state FROM income_periods WHERE period = NEW.period FOR UPDATE;
    IF (NEW.version, NEW.kind = 'reopened') <> (state.version + 1, state.closed) THEN
        RAISE EXCEPTION 'period % is not to be % as version %', NEW.period, NEW.kind, NEW.version
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT count(DISTINCT acts.person_id) INTO signed
    FROM signed_acts AS acts JOIN persons ON persons.id = acts.person_id
    JOIN officers ON officers.pin = persons.pin AND officers.added_at <= acts.signed_at
        AND (officers.ended_at IS NULL OR officers.ended_at > acts.signed_at)
    WHERE acts.id IN (NEW.act_1, NEW.act_2)
        AND acts.purpose = CASE NEW.kind WHEN 'closed' THEN 'period' ELSE 'reopening' END
        AND substring(rtrim(convert_from(acts.content, 'UTF8'), E'\\n') FROM '[^\\n]*$')
            = convert_from(NEW.content, 'UTF8');
    IF signed <> 2 THEN
        RAISE EXCEPTION 'period % is % by what two officers signed', NEW.period, NEW.kind
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT count(*) AS records, sha256(coalesce(string_agg(sha256, ''::bytea ORDER BY sequence),
        ''::bytea)) AS digest INTO has
    FROM income_records WHERE period = NEW.period;
    IF (NEW.records, NEW.digest) <> (has.records, has.digest) OR (NEW.participants, NEW.accrued_sat,
        NEW.sold_sat, NEW.gross_tyiyn, NEW.venue_fee_tyiyn, NEW.pool_fee_tyiyn, NEW.net_tyiyn,
        NEW.paid_tyiyn) <> (
        SELECT count(DISTINCT participant_id), coalesce(sum(accrued_sat), 0),
            coalesce(sum(sold_sat), 0), coalesce(sum(gross_tyiyn), 0),
            coalesce(sum(venue_fee_tyiyn), 0), coalesce(sum(pool_fee_tyiyn), 0),
            coalesce(sum(net_tyiyn), 0), coalesce(sum(paid_tyiyn), 0)
        FROM income_in_force WHERE period = NEW.period
    ) THEN
        RAISE EXCEPTION 'what was signed of period % is not what its records are', NEW.period
            USING ERRCODE = 'check_violation';
    END IF;
    IF convert_from(NEW.content, 'UTF8')::jsonb -> 'version' <> to_jsonb(NEW.version)
        OR convert_from(NEW.content, 'UTF8')::jsonb ->> 'period' <> NEW.period
        OR convert_from(NEW.content, 'UTF8')::jsonb ->> 'digest' <> encode(NEW.digest, 'hex')
        OR convert_from(NEW.content, 'UTF8')::jsonb -> 'order'
            <> coalesce(to_jsonb(NEW.order_number), 'null'::jsonb) THEN
        RAISE EXCEPTION 'what was signed is not this closing of period %', NEW.period
            USING ERRCODE = 'check_violation';
    END IF;
    UPDATE income_periods SET version = NEW.version, closed = NEW.kind = 'closed'
    WHERE period = NEW.period;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_income_closing AFTER INSERT ON income_closings
    FOR EACH ROW EXECUTE FUNCTION guard_income_closing();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON income_periods
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

APPEND_ONLY = ("income_records", "income_closings", "income_receipts", "exchange_rates")

GRANTS = """
GRANT SELECT ON exchange_rates, income_periods, income_records, income_in_force, income_closings,
    income_receipts, income_participants TO kench_settle, kench_cabinet, kench_tax, kench_read;
GRANT INSERT ON income_records, exchange_rates TO kench_settle;
GRANT INSERT ON income_records, income_closings TO kench_cabinet;
GRANT INSERT ON income_receipts TO kench_tax;
GRANT SELECT ON screenings TO kench_cabinet;
"""


def upgrade() -> None:
    """Make the role, the tables and their rules, and grant."""
    for statements in (ROLE, FEES, TABLES, GUARD_RECORDS, OF_OFFICERS, GUARD_CLOSINGS):
        op.execute(statements)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: what was handed over is not thrown away by a schema change."""
    raise NotImplementedError("income is never downgraded: restore a backup instead")
