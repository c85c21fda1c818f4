"""Several tokens of a participant, each with a label, and each revoked by itself.

The one that a participant had is carried over, unless nobody has seen it: the register made one at
a decision, and it was an owner who made that which counts. Who made those is in the trail as well.

Of a token only its use changes and its revocation, once; none is deleted.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE participant_tokens (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    sha256         bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    label          text NOT NULL CHECK (char_length(label) BETWEEN 1 AND 60),
    made_at        timestamptz NOT NULL DEFAULT now(),
    made_by        integer REFERENCES persons,
    revoked_at     timestamptz,
    revoked_by     integer REFERENCES persons,
    used_at        timestamptz,
    CHECK (revoked_at IS NOT NULL OR revoked_by IS NULL)
);
CREATE INDEX participant_tokens_of ON participant_tokens (participant_id, id);
CREATE INDEX participant_tokens_in_force ON participant_tokens (participant_id)
    WHERE revoked_at IS NULL;
"""

# Two participants never had one token but by the hand of whoever wrote into the table itself.
FORMER = """
INSERT INTO participant_tokens (participant_id, sha256, label, made_at, made_by)
    SELECT participants.id, token_sha256, 'first', coalesce(made.at, created_at), made.person_id
    FROM participants
    LEFT JOIN LATERAL (
        SELECT at, person_id FROM tokens_made WHERE participant_id = participants.id
        ORDER BY tokens_made.id DESC LIMIT 1
    ) AS made ON true
    WHERE made.at IS NOT NULL
        OR NOT EXISTS (SELECT FROM register_entries WHERE participant_id = participants.id)
    ORDER BY participants.id
    ON CONFLICT (sha256) DO NOTHING;
ALTER TABLE participants DROP COLUMN token_sha256;
DROP TABLE tokens_made;
"""

RULES = """
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON participant_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_participant_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.participant_id, NEW.sha256, NEW.label, NEW.made_at)
        <> (OLD.id, OLD.participant_id, OLD.sha256, OLD.label, OLD.made_at)
        OR NEW.made_by IS DISTINCT FROM OLD.made_by
        OR OLD.revoked_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'token % may only be used, and revoked once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_participant_token BEFORE UPDATE ON participant_tokens
    FOR EACH ROW EXECUTE FUNCTION keep_participant_token();

-- That a token was used is no news for the front ends, which say so themselves.
CREATE FUNCTION notify_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('kench_register', NEW.participant_id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER notify_token AFTER INSERT OR UPDATE OF revoked_at ON participant_tokens
    FOR EACH ROW EXECUTE FUNCTION notify_token();
"""

# Nobody but stratum has a use for the digests.
GRANTS = """
GRANT SELECT, UPDATE (used_at) ON participant_tokens TO kench_stratum;
GRANT SELECT (id, participant_id, label, made_at, made_by, revoked_at, revoked_by, used_at)
    ON participant_tokens TO kench_cabinet, kench_read;
GRANT INSERT (participant_id, sha256, label, made_at, made_by) ON participant_tokens
    TO kench_cabinet;
GRANT UPDATE (revoked_at, revoked_by) ON participant_tokens TO kench_cabinet;
REVOKE INSERT ON participants FROM kench_cabinet;
GRANT INSERT (name) ON participants TO kench_cabinet;
"""


def upgrade() -> None:
    """Make the table, carry the tokens over, and grant."""
    for statements in (TABLE, FORMER, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back before several tokens a participant")
