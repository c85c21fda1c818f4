"""Registration: documents, applications, decisions, the Electronic Register, notices.

Rules that the database itself holds, whoever writes:
  - nothing is changed or taken back but a draft;
  - what is kept by a digest has that digest;
  - an application is decided or withdrawn once, a notice ends once;
  - what somebody declares or decides has a signed act; versions of an entry follow each other.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE attachments (
    sha256     bytea PRIMARY KEY CHECK (sha256 = sha256(content)),
    media_type text NOT NULL CHECK (media_type IN ('application/pdf', 'image/jpeg', 'image/png')),
    content    bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 10485760)
);
ALTER TABLE attachments ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE uploads (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id integer NOT NULL REFERENCES persons,
    sha256    bytea NOT NULL REFERENCES attachments,
    name      text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
    size      integer NOT NULL CHECK (size > 0),
    at        timestamptz NOT NULL
);
CREATE INDEX uploads_of_person ON uploads (person_id, sha256);

CREATE TABLE drafts (
    person_id integer NOT NULL REFERENCES persons,
    subject   text NOT NULL CHECK (subject ~ '^[a-z0-9/]{1,60}$'),
    content   jsonb NOT NULL,
    saved_at  timestamptz NOT NULL,
    PRIMARY KEY (person_id, subject)
);

CREATE TABLE applications (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id    integer NOT NULL REFERENCES persons,
    act_id       bigint NOT NULL UNIQUE REFERENCES signed_acts,
    name         text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    tax_number   text NOT NULL CHECK (tax_number ~ '^[0-9]{14}$'),
    submitted_at timestamptz NOT NULL,
    decide_by    date NOT NULL,
    calendar     text NOT NULL CHECK (char_length(calendar) BETWEEN 1 AND 100)
);
CREATE INDEX applications_of_person ON applications (person_id, id);
CREATE INDEX applications_by_number ON applications (tax_number, id);

CREATE TABLE application_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id integer NOT NULL REFERENCES applications,
    act            text NOT NULL CHECK (act IN ('submit', 'withdraw', 'register', 'refuse')),
    state          text NOT NULL
        CHECK (state IN ('submitted', 'withdrawn', 'registered', 'refused')),
    at             timestamptz NOT NULL,
    act_id         bigint NOT NULL REFERENCES signed_acts,
    participant_id integer REFERENCES participants,
    CHECK ((state = 'registered') = (participant_id IS NOT NULL))
);
CREATE INDEX application_events_of ON application_events (application_id, id);
CREATE UNIQUE INDEX application_ends_once ON application_events (application_id)
    WHERE state <> 'submitted';
CREATE UNIQUE INDEX application_begins_once ON application_events (application_id)
    WHERE state = 'submitted';
CREATE INDEX application_of_participant ON application_events (participant_id)
    WHERE participant_id IS NOT NULL;

CREATE TABLE register_entries (
    participant_id integer NOT NULL REFERENCES participants,
    version        integer NOT NULL CHECK (version >= 1),
    content        jsonb NOT NULL CHECK (jsonb_typeof(content) = 'object'),
    act_id         bigint NOT NULL REFERENCES signed_acts,
    entered_by     integer NOT NULL REFERENCES persons,
    at             timestamptz NOT NULL,
    PRIMARY KEY (participant_id, version)
);

CREATE TABLE notices (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    person_id      integer NOT NULL REFERENCES persons,
    act_id         bigint NOT NULL UNIQUE REFERENCES signed_acts,
    kind           text NOT NULL
        CHECK (kind IN ('certificate', 'equipment', 'suspension', 'resumption', 'exit')),
    made_at        timestamptz NOT NULL,
    late           boolean NOT NULL,
    day            date,
    until          date CHECK (until > day),
    enter_by       date,
    calendar       text NOT NULL CHECK (char_length(calendar) BETWEEN 1 AND 100),
    CHECK ((kind IN ('suspension', 'exit')) = (day IS NOT NULL)),
    CHECK ((kind IN ('certificate', 'equipment')) = (enter_by IS NOT NULL))
);
CREATE INDEX notices_of_participant ON notices (participant_id, id);
CREATE INDEX notices_by_day ON notices (day) WHERE day IS NOT NULL;

CREATE TABLE notice_events (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notice_id integer NOT NULL REFERENCES notices,
    act       text NOT NULL
        CHECK (act IN ('notify', 'enter', 'take effect', 'withdraw', 'lapse')),
    state     text NOT NULL CHECK (state IN ('waiting', 'done', 'withdrawn', 'lapsed')),
    at        timestamptz NOT NULL,
    person_id integer REFERENCES persons,
    act_id    bigint REFERENCES signed_acts
);
CREATE INDEX notice_events_of ON notice_events (notice_id, id);
CREATE UNIQUE INDEX notice_ends_once ON notice_events (notice_id) WHERE state <> 'waiting';
CREATE UNIQUE INDEX notice_begins_once ON notice_events (notice_id) WHERE state = 'waiting';

CREATE TABLE membership_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    act            text NOT NULL
        CHECK (act IN ('register', 'suspend', 'resume', 'return', 'leave', 'exclude')),
    state          text NOT NULL CHECK (state IN ('registered', 'suspended', 'left', 'excluded')),
    at             timestamptz NOT NULL,
    act_id         bigint REFERENCES signed_acts,
    notice_id      integer REFERENCES notices,
    CHECK (act_id IS NOT NULL OR notice_id IS NOT NULL)
);
CREATE INDEX membership_events_of ON membership_events (participant_id, id);
CREATE UNIQUE INDEX membership_ends_once ON membership_events (participant_id)
    WHERE state IN ('left', 'excluded');

CREATE TABLE tokens_made (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    person_id      integer NOT NULL REFERENCES persons,
    at             timestamptz NOT NULL
);
CREATE INDEX tokens_made_of ON tokens_made (participant_id, id);
"""

APPEND_ONLY = (
    "attachments", "uploads", "applications", "application_events", "register_entries", "notices",
    "notice_events", "membership_events", "tokens_made",
)  # fmt: skip

RULES = """
CREATE FUNCTION check_register_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <> (
        SELECT count(*) FROM register_entries WHERE participant_id = NEW.participant_id
    ) THEN
        RAISE EXCEPTION 'version % of entry % does not follow the one before',
            NEW.version, NEW.participant_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_register_entry AFTER INSERT ON register_entries
    FOR EACH ROW EXECUTE FUNCTION check_register_entry();
"""

GRANTS = """
GRANT INSERT ON participants TO kench_cabinet;
GRANT UPDATE (state, token_sha256) ON participants TO kench_cabinet;
GRANT SELECT, INSERT, UPDATE, DELETE ON drafts TO kench_cabinet;
GRANT SELECT ON applications, application_events, register_entries, notices, notice_events,
    membership_events TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, their rules, and grant."""
    op.execute(TABLES)
    for name in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {name} TO kench_cabinet")
    op.execute(RULES)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: what people signed is not thrown away by a schema change."""
    raise NotImplementedError("the register is never downgraded: restore a backup instead")
