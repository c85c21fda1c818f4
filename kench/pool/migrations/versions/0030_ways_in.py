"""Ways into the cabinet: by what a login was made, its proof, requests to the state's sign-on.

Rules that the database itself holds, whoever writes:
  - the proof of an entry is never changed or taken back;
  - of a request to the sign-on only its use changes, and it is used once;
  - by what a login was made stays what it was.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE logins
    ADD way text NOT NULL DEFAULT 'signature'
        CHECK (way IN ('signature', 'certificate', 'sign_on')),
    -- Digests of act_evidence: the person's, then those up to the root. None of the sign-on's.
    ADD certificates bytea[] NOT NULL DEFAULT '{}',
    DROP CONSTRAINT logins_ended_why_check,
    ADD CONSTRAINT logins_ended_why_check CHECK (
        ended_why IN ('left', 'ended', 'displaced', 'revoked', 'unserved')),
    ADD CHECK (way <> 'certificate' OR cardinality(certificates) > 0);
-- Those that are good now are gone through a page at a time.
DROP INDEX logins_by_end;
CREATE INDEX logins_by_end ON logins (expires_at, id);

CREATE TABLE sign_on_requests (
    state_sha256   bytea PRIMARY KEY CHECK (octet_length(state_sha256) = 32),
    browser_sha256 bytea NOT NULL CHECK (octet_length(browser_sha256) = 32),
    next           text NOT NULL CHECK (char_length(next) <= 200),
    opened_at      timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL CHECK (expires_at > opened_at),
    used_at        timestamptz
);
CREATE INDEX sign_on_requests_by_end ON sign_on_requests (expires_at);
CREATE INDEX sign_on_requests_of_browser ON sign_on_requests (browser_sha256, expires_at);

-- Of entries by a signature, signed_acts has it all.
CREATE TABLE entry_proofs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login_id     bigint NOT NULL UNIQUE,
    person_id    integer NOT NULL REFERENCES persons,
    way          text NOT NULL CHECK (way IN ('certificate', 'sign_on')),
    claims       text NOT NULL CHECK (char_length(claims) <= 8192),
    token_sha256 bytea CHECK (octet_length(token_sha256) = 32),
    certificates bytea[] NOT NULL,
    crls         bytea[] NOT NULL,
    ocsps        bytea[] NOT NULL,
    at           timestamptz NOT NULL,
    CHECK ((way = 'sign_on') = (token_sha256 IS NOT NULL))
);
CREATE INDEX entry_proofs_of_person ON entry_proofs (person_id, id);
"""

RULES = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry_proofs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_sign_on_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.state_sha256, NEW.browser_sha256, NEW.next, NEW.opened_at, NEW.expires_at)
        <> (OLD.state_sha256, OLD.browser_sha256, OLD.next, OLD.opened_at, OLD.expires_at)
        OR OLD.used_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'a request to the sign-on is used once, and stays what it was'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_sign_on_request BEFORE UPDATE ON sign_on_requests
    FOR EACH ROW EXECUTE FUNCTION keep_sign_on_request();

CREATE OR REPLACE FUNCTION keep_login() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.cookie_sha256, NEW.person_id, NEW.browser_sha256, NEW.opened_at, NEW.expires_at,
        NEW.way, NEW.certificates)
        <> (OLD.id, OLD.cookie_sha256, OLD.person_id, OLD.browser_sha256, OLD.opened_at,
            OLD.expires_at, OLD.way, OLD.certificates)
        OR OLD.ended_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'login % may only be seen, and end once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

GRANTS = """
GRANT SELECT, INSERT ON sign_on_requests, entry_proofs TO kench_cabinet;
GRANT UPDATE (used_at), DELETE ON sign_on_requests TO kench_cabinet;
GRANT SELECT ON entry_proofs TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, columns and rules, and grant."""
    for statements in (TABLES, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: how people entered is not thrown away by a schema change."""
    raise NotImplementedError("entries are never downgraded: restore a backup instead")
