"""Access without a login: links for watchers and keys for programs.

Of a grant only its use and its end change, and what ended stays so; its secret is kept as a digest.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE access_grants (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    kind           text NOT NULL CHECK (kind IN ('link', 'key')),
    name           text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    secret_sha256  bytea NOT NULL UNIQUE CHECK (octet_length(secret_sha256) = 32),
    scopes         text[] NOT NULL CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['hashrate', 'workers', 'earnings']
    ),
    made_at        timestamptz NOT NULL,
    made_by        integer NOT NULL REFERENCES persons,
    expires_at     timestamptz NOT NULL CHECK (expires_at > made_at),
    used_at        timestamptz,
    ended_at       timestamptz,
    ended_by       integer REFERENCES persons,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX access_grants_of ON access_grants (participant_id, id);
"""

RULES = """
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON access_grants
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_access_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.participant_id, NEW.kind, NEW.name, NEW.secret_sha256, NEW.scopes,
        NEW.made_at, NEW.made_by, NEW.expires_at)
        <> (OLD.id, OLD.participant_id, OLD.kind, OLD.name, OLD.secret_sha256, OLD.scopes,
            OLD.made_at, OLD.made_by, OLD.expires_at)
        OR OLD.ended_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'access grant % may only be used, and end once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_access_grant BEFORE UPDATE ON access_grants
    FOR EACH ROW EXECUTE FUNCTION keep_access_grant();
"""

GRANTS = """
GRANT SELECT, INSERT ON access_grants TO kench_cabinet;
GRANT UPDATE (used_at, ended_at, ended_by) ON access_grants TO kench_cabinet;
"""


def upgrade() -> None:
    """Make the table, its rules, and grant."""
    op.execute(TABLES)
    op.execute(RULES)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back before access by links and keys")
