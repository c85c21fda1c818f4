"""Reports of participants: forms as data, what is due of whom, filings by signature, decisions.

The first forms come with this schema (the folder `forms` beside it); later ones are put in signed.
Nothing is changed or taken back: what is filed again is a later version. `report_queue` holds what
waits, for a participant or an officer, and follows the events by triggers alone.
"""

from hashlib import sha256
from pathlib import Path

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

FORMS = Path(__file__).parents[1] / "forms"
FIRST = ("monthly", "simplified", "quarterly")
PERIOD = r"'^20[0-9]{2}-(0[1-9]|1[0-2]|Q[1-4])$'"

TABLES = rf"""
CREATE TABLE report_forms (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{{0,19}}$'),
    version        integer NOT NULL CHECK (version >= 1),
    order_number   integer CHECK (order_number >= 1),
    effective_from text NOT NULL CHECK (effective_from ~ {PERIOD}),
    content        bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 131072),
    sha256         bytea NOT NULL CHECK (sha256 = sha256(content)),
    -- None: it came with the program.
    act_id         bigint UNIQUE REFERENCES signed_acts,
    at             timestamptz NOT NULL,
    UNIQUE (kind, version)
);

-- How far the reports of a period are made: participants up to `after_id`.
CREATE TABLE report_runs (
    kind     text NOT NULL,
    period   text NOT NULL CHECK (period ~ {PERIOD}),
    after_id integer NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL,
    done_at  timestamptz,
    PRIMARY KEY (kind, period)
);

CREATE TABLE reports (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    kind           text NOT NULL,
    period         text NOT NULL CHECK (period ~ {PERIOD}),
    form_version   integer NOT NULL,
    facts          jsonb NOT NULL CHECK (jsonb_typeof(facts) = 'object'),
    -- Where most of its declared equipment is; empty: not stated.
    region         text NOT NULL DEFAULT '' CHECK (char_length(region) <= 10),
    made_at        timestamptz NOT NULL,
    due            date NOT NULL,
    calendar       text NOT NULL CHECK (char_length(calendar) BETWEEN 1 AND 100),
    FOREIGN KEY (kind, form_version) REFERENCES report_forms (kind, version),
    UNIQUE (kind, period, participant_id)
);
CREATE INDEX reports_of_participant ON reports (participant_id, id);

CREATE TABLE report_filings (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    report_id    integer NOT NULL REFERENCES reports,
    version      integer NOT NULL CHECK (version >= 1),
    form_kind    text NOT NULL,
    form_version integer NOT NULL,
    contents     jsonb NOT NULL CHECK (jsonb_typeof(contents) = 'object'),
    act_id       bigint NOT NULL UNIQUE REFERENCES signed_acts,
    person_id    integer NOT NULL REFERENCES persons,
    filed_at     timestamptz NOT NULL,
    late         boolean NOT NULL,
    FOREIGN KEY (form_kind, form_version) REFERENCES report_forms (kind, version),
    UNIQUE (report_id, version)
);
CREATE INDEX report_filings_late ON report_filings (report_id) WHERE late AND version = 1;

CREATE TABLE report_decisions (
    filing_id integer PRIMARY KEY REFERENCES report_filings,
    outcome   text NOT NULL CHECK (outcome IN ('accepted', 'returned')),
    remarks   text NOT NULL CHECK (char_length(remarks) <= 4000),
    person_id integer NOT NULL REFERENCES persons,
    at        timestamptz NOT NULL,
    CHECK (outcome = 'accepted' OR remarks <> '')
);

CREATE TABLE report_queue (
    report_id      integer PRIMARY KEY REFERENCES reports,
    participant_id integer NOT NULL,
    kind           text NOT NULL,
    period         text NOT NULL,
    state          text NOT NULL CHECK (state IN ('due', 'filed', 'returned')),
    due            date NOT NULL,
    since          timestamptz NOT NULL
);
CREATE INDEX report_queue_by_day ON report_queue (state, due, report_id);
CREATE INDEX report_queue_of_period ON report_queue (kind, period, state, participant_id);
CREATE INDEX report_queue_of ON report_queue (participant_id, report_id);

CREATE TABLE report_reminders (
    report_id integer NOT NULL REFERENCES reports,
    letter    text NOT NULL CHECK (letter IN ('ready', 'near', 'late')),
    at        timestamptz NOT NULL,
    PRIMARY KEY (report_id, letter)
);
"""

RULES = r"""
CREATE FUNCTION check_report_filing() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    signed jsonb;
BEGIN
    -- The last line of what was signed is the filing as data.
    SELECT substring(rtrim(convert_from(content, 'UTF8'), E'\n') FROM '[^\n]*$')::jsonb INTO signed
    FROM signed_acts WHERE id = NEW.act_id AND purpose = 'report';
    IF (signed -> 'contents', signed -> 'report', signed -> 'version', signed -> 'form',
            signed -> 'form_version')
        IS DISTINCT FROM (NEW.contents, to_jsonb(NEW.report_id), to_jsonb(NEW.version),
            to_jsonb(NEW.form_kind), to_jsonb(NEW.form_version))
    THEN
        RAISE EXCEPTION 'version % of report % is not what was signed', NEW.version, NEW.report_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.version <> (SELECT count(*) FROM report_filings WHERE report_id = NEW.report_id) THEN
        RAISE EXCEPTION 'version % of report % does not follow the one before',
            NEW.version, NEW.report_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_report_filing AFTER INSERT ON report_filings
    FOR EACH ROW EXECUTE FUNCTION check_report_filing();

CREATE FUNCTION check_report_form() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.act_id IS NULL AND current_user = 'kench_cabinet' OR NEW.act_id IS NOT NULL AND (
        SELECT substring(rtrim(convert_from(content, 'UTF8'), E'\n') FROM '[^\n]*$')
        FROM signed_acts WHERE id = NEW.act_id AND purpose = 'report_form'
    ) IS DISTINCT FROM convert_from(NEW.content, 'UTF8') THEN
        RAISE EXCEPTION 'form % % is not what an officer signed', NEW.kind, NEW.version
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_report_form AFTER INSERT ON report_forms
    FOR EACH ROW EXECUTE FUNCTION check_report_form();

CREATE FUNCTION follow_report() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO report_queue VALUES
        (NEW.id, NEW.participant_id, NEW.kind, NEW.period, 'due', NEW.due, NEW.made_at);
    RETURN NULL;
END $$;
CREATE TRIGGER follow_report AFTER INSERT ON reports
    FOR EACH ROW EXECUTE FUNCTION follow_report();

CREATE FUNCTION follow_report_filing() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO report_queue
        SELECT id, participant_id, kind, period, 'filed', due, NEW.filed_at
        FROM reports WHERE id = NEW.report_id
        ON CONFLICT (report_id) DO UPDATE SET state = 'filed', since = NEW.filed_at;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_report_filing AFTER INSERT ON report_filings
    FOR EACH ROW EXECUTE FUNCTION follow_report_filing();

CREATE FUNCTION follow_report_decision() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    about integer;
BEGIN
    SELECT report_id INTO about FROM report_filings WHERE id = NEW.filing_id;
    IF NEW.outcome = 'accepted' THEN
        DELETE FROM report_queue WHERE report_id = about;
    ELSE
        UPDATE report_queue SET state = 'returned', since = NEW.at WHERE report_id = about;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_report_decision AFTER INSERT ON report_decisions
    FOR EACH ROW EXECUTE FUNCTION follow_report_decision();
"""

APPEND_ONLY = (
    "report_forms", "reports", "report_filings", "report_decisions", "report_reminders",
)  # fmt: skip
GRANTS = """
GRANT SELECT, INSERT, UPDATE ON report_runs TO kench_cabinet;
GRANT SELECT ON report_queue TO kench_cabinet;
GRANT SELECT ON report_forms, report_runs, reports, report_filings, report_decisions, report_queue
    TO kench_read;
ALTER TABLE attachments DROP CONSTRAINT attachments_media_type_check;
ALTER TABLE attachments ADD CONSTRAINT attachments_media_type_check CHECK (
    media_type IN ('application/pdf', 'image/jpeg', 'image/png',
        'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet')
);
"""


def upgrade() -> None:
    """Make the tables, their rules, put the first forms in, and grant."""
    op.execute(TABLES)
    for name in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {name} TO kench_cabinet")
    op.execute(RULES)
    for kind in FIRST:
        content = (FORMS / f"{kind}.json").read_bytes().rstrip(b"\n")
        form = msgspec.json.decode(content)
        op.get_bind().execute(
            sa.text("""
                INSERT INTO report_forms (kind, version, effective_from, content, sha256, at)
                VALUES (:kind, :version, :effective_from, :content, :sha256, '2026-01-01 00:00+06')
            """),
            {
                "kind": form["kind"], "version": form["version"],
                "effective_from": form["effective_from"], "content": content,
                "sha256": sha256(content).digest(),
            },
        )  # fmt: skip
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: what people signed is not thrown away by a schema change."""
    raise NotImplementedError("reports are never downgraded: restore a backup instead")
