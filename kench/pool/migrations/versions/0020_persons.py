"""Persons, their logins, what they signed and did; who acts for a participant; role kench_cabinet.

Rules that the database itself holds, whoever writes:
  - signed acts, their evidence and the trail are never changed or taken back;
  - what is kept by a digest has that digest;
  - of a signing request only its tries and its use change, and it is used once;
  - a login that ended stays so.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Roles belong to the whole server, so another database may have made it.
ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kench_cabinet') THEN
        BEGIN
            CREATE ROLE kench_cabinet NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO kench_cabinet;
GRANT SELECT ON alembic_version TO kench_cabinet;
"""

TABLES = """
CREATE TABLE persons (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pin      text NOT NULL UNIQUE CHECK (pin ~ '^[12][0-9]{13}$'),
    name     text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    first_at timestamptz NOT NULL
);

CREATE TABLE logins (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cookie_sha256  bytea NOT NULL UNIQUE CHECK (octet_length(cookie_sha256) = 32),
    person_id      integer NOT NULL REFERENCES persons,
    browser_sha256 bytea NOT NULL CHECK (octet_length(browser_sha256) = 32),
    address        text NOT NULL CHECK (char_length(address) <= 64),
    agent          text NOT NULL CHECK (char_length(agent) <= 300),
    opened_at      timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL CHECK (seen_at >= opened_at),
    expires_at     timestamptz NOT NULL CHECK (expires_at > opened_at),
    ended_at       timestamptz,
    ended_why      text CHECK (ended_why IN ('left', 'ended', 'displaced')),
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE INDEX logins_of_person ON logins (person_id, id);
CREATE INDEX logins_of_browser ON logins (browser_sha256);
CREATE INDEX logins_by_end ON logins (expires_at);

CREATE TABLE signing_requests (
    id             text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    purpose        text NOT NULL CHECK (purpose ~ '^[a-z][a-z_]{0,39}$'),
    subject        text NOT NULL CHECK (char_length(subject) <= 200),
    language       text NOT NULL CHECK (language IN ('ky', 'ru', 'en')),
    content        bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 524288),
    browser_sha256 bytea NOT NULL CHECK (octet_length(browser_sha256) = 32),
    -- Without a reference: a login may be forgotten before what was to be signed in it.
    login_id       bigint,
    opened_at      timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL CHECK (expires_at > opened_at),
    tries          smallint NOT NULL DEFAULT 0 CHECK (tries >= 0),
    used_at        timestamptz
);
CREATE INDEX signing_requests_by_end ON signing_requests (expires_at);
CREATE INDEX signing_requests_of_browser ON signing_requests (browser_sha256, expires_at);

CREATE TABLE act_evidence (
    digest  bytea PRIMARY KEY CHECK (digest = sha256(content)),
    content bytea NOT NULL
);

CREATE TABLE signed_acts (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id         text NOT NULL UNIQUE CHECK (request_id ~ '^[0-9a-f]{32}$'),
    purpose            text NOT NULL CHECK (purpose ~ '^[a-z][a-z_]{0,39}$'),
    subject            text NOT NULL CHECK (char_length(subject) <= 200),
    person_id          integer NOT NULL REFERENCES persons,
    content            bytea NOT NULL,
    content_sha256     bytea NOT NULL CHECK (content_sha256 = sha256(content)),
    signature          bytea NOT NULL CHECK (octet_length(signature) <= 65536),
    certificate_sha256 bytea NOT NULL CHECK (octet_length(certificate_sha256) = 32),
    certificates       bytea[] NOT NULL,
    crls               bytea[] NOT NULL,
    ocsps              bytea[] NOT NULL,
    signed_at          timestamptz NOT NULL
);
CREATE INDEX signed_acts_of_person ON signed_acts (person_id, id);
CREATE INDEX signed_acts_of_subject ON signed_acts (purpose, subject);

CREATE TABLE acts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    person_id integer REFERENCES persons,
    login_id  bigint,
    act       text NOT NULL CHECK (act ~ '^[a-z][a-z_]{0,39}$'),
    subject   text NOT NULL CHECK (char_length(subject) <= 200),
    outcome   text NOT NULL CHECK (outcome ~ '^[a-z][a-z_]{0,39}$'),
    address   text NOT NULL CHECK (char_length(address) <= 64),
    detail    text NOT NULL CHECK (char_length(detail) <= 400)
);
CREATE INDEX acts_of_person ON acts (person_id, id);
CREATE INDEX acts_of_subject ON acts (subject, id);

-- By personal number: who was named may enter for the first time later.
CREATE TABLE participant_people (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    pin            text NOT NULL CHECK (pin ~ '^[12][0-9]{13}$'),
    role           text NOT NULL CHECK (role IN ('owner', 'accountant', 'technician')),
    added_at       timestamptz NOT NULL,
    added_by       integer REFERENCES persons,
    ended_at       timestamptz CHECK (ended_at >= added_at),
    ended_by       integer REFERENCES persons
);
CREATE UNIQUE INDEX participant_people_now ON participant_people (participant_id, pin)
    WHERE ended_at IS NULL;
CREATE INDEX participant_people_by_pin ON participant_people (pin) WHERE ended_at IS NULL;
"""

RULES = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON act_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signed_acts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON acts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON persons
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON participant_people
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_signing_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.purpose, NEW.subject, NEW.language, NEW.content, NEW.browser_sha256,
        NEW.opened_at, NEW.expires_at)
        <> (OLD.id, OLD.purpose, OLD.subject, OLD.language, OLD.content, OLD.browser_sha256,
            OLD.opened_at, OLD.expires_at)
        OR NEW.login_id IS DISTINCT FROM OLD.login_id
        OR OLD.used_at IS NOT NULL OR NEW.tries < OLD.tries
    THEN
        RAISE EXCEPTION 'signing request % is used once, and stays what it was', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_signing_request BEFORE UPDATE ON signing_requests
    FOR EACH ROW EXECUTE FUNCTION keep_signing_request();

CREATE FUNCTION keep_login() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.cookie_sha256, NEW.person_id, NEW.browser_sha256, NEW.opened_at, NEW.expires_at)
        <> (OLD.id, OLD.cookie_sha256, OLD.person_id, OLD.browser_sha256, OLD.opened_at,
            OLD.expires_at)
        OR OLD.ended_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'login % may only be seen, and end once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_login BEFORE UPDATE ON logins FOR EACH ROW EXECUTE FUNCTION keep_login();

CREATE FUNCTION keep_participant_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.participant_id, NEW.pin, NEW.role, NEW.added_at)
        <> (OLD.id, OLD.participant_id, OLD.pin, OLD.role, OLD.added_at)
        OR NEW.added_by IS DISTINCT FROM OLD.added_by
        OR OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL
    THEN
        RAISE EXCEPTION 'of a person who acts for a participant only that may end, once'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_participant_person BEFORE UPDATE ON participant_people
    FOR EACH ROW EXECUTE FUNCTION keep_participant_person();
"""

GRANTS = """
GRANT SELECT ON persons, logins, signing_requests, act_evidence, signed_acts, acts,
    participant_people, participants, officers TO kench_cabinet;
GRANT INSERT ON persons, logins, signing_requests, act_evidence, signed_acts, acts,
    participant_people TO kench_cabinet;
GRANT UPDATE (name) ON persons TO kench_cabinet;
GRANT UPDATE (seen_at, ended_at, ended_why) ON logins TO kench_cabinet;
GRANT UPDATE (tries, used_at) ON signing_requests TO kench_cabinet;
GRANT UPDATE (ended_at, ended_by) ON participant_people TO kench_cabinet;
GRANT DELETE ON logins, signing_requests TO kench_cabinet;
GRANT SELECT ON persons, signed_acts, act_evidence, participant_people TO kench_read;
"""


def upgrade() -> None:
    """Make the role, the tables and their rules, and grant."""
    for statements in (ROLE, TABLES, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: what people signed is not thrown away by a schema change."""
    raise NotImplementedError("signed acts are never downgraded: restore a backup instead")
