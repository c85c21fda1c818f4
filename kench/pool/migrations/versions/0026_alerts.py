"""Alerts: rules of participants, what was told of them, and messages that wait to be sent.

Of a rule only its end changes, and an ended rule stays so.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE alert_rules (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    kind           text NOT NULL CHECK (kind IN ('silent', 'low', 'refused')),
    -- Minutes of a silent worker; percent of what was declared, or of the day's shares.
    bound          integer NOT NULL CHECK (bound > 0),
    channel        text NOT NULL CHECK (channel IN ('email', 'webhook', 'bot')),
    target         text NOT NULL CHECK (char_length(target) BETWEEN 1 AND 500),
    -- What a webhook's messages are signed with: the program needs it as it is.
    secret         bytea CHECK (octet_length(secret) = 32),
    language       text NOT NULL CHECK (language IN ('ky', 'ru', 'en')),
    -- Minutes of Bishkek's day; equal ones: never quiet.
    quiet_from     integer NOT NULL CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until    integer NOT NULL CHECK (quiet_until BETWEEN 0 AND 1439),
    made_at        timestamptz NOT NULL,
    made_by        integer NOT NULL REFERENCES persons,
    ended_at       timestamptz,
    ended_by       integer REFERENCES persons,
    CHECK ((channel = 'webhook') = (secret IS NOT NULL)),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX alert_rules_of ON alert_rules (participant_id, id);
CREATE INDEX alert_rules_now ON alert_rules (participant_id) WHERE ended_at IS NULL;

CREATE TABLE alert_states (
    rule_id  integer PRIMARY KEY REFERENCES alert_rules,
    told_at  timestamptz NOT NULL,
    -- Workers that were told of and still are so; 0 is the participant itself. None: it is over.
    subjects integer[] NOT NULL
);

CREATE TABLE alert_messages (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id   integer NOT NULL REFERENCES alert_rules,
    event     text NOT NULL CHECK (event IN ('begun', 'over', 'test')),
    title     text NOT NULL CHECK (char_length(title) <= 200),
    body      text NOT NULL CHECK (char_length(body) <= 4000),
    queued_at timestamptz NOT NULL,
    due_at    timestamptz NOT NULL,
    tries     smallint NOT NULL DEFAULT 0 CHECK (tries >= 0),
    state     text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    fault     text NOT NULL DEFAULT '' CHECK (char_length(fault) <= 200)
);
CREATE INDEX alert_messages_due ON alert_messages (due_at) WHERE state = 'waiting';
CREATE INDEX alert_messages_of ON alert_messages (rule_id, id);
CREATE INDEX alert_messages_by_age ON alert_messages (queued_at);
"""

RULES = """
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON alert_rules
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_alert_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.participant_id, NEW.kind, NEW.bound, NEW.channel, NEW.target, NEW.language,
        NEW.quiet_from, NEW.quiet_until, NEW.made_at, NEW.made_by)
        <> (OLD.id, OLD.participant_id, OLD.kind, OLD.bound, OLD.channel, OLD.target,
            OLD.language, OLD.quiet_from, OLD.quiet_until, OLD.made_at, OLD.made_by)
        OR NEW.secret IS DISTINCT FROM OLD.secret OR OLD.ended_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'alert rule % may only end, once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_alert_rule BEFORE UPDATE ON alert_rules
    FOR EACH ROW EXECUTE FUNCTION keep_alert_rule();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE (ended_at, ended_by) ON alert_rules TO kench_cabinet;
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_states TO kench_cabinet;
GRANT SELECT, INSERT, UPDATE (due_at, tries, state, fault), DELETE ON alert_messages
    TO kench_cabinet;
"""


def upgrade() -> None:
    """Make the tables, their rules, and grant."""
    op.execute(TABLES)
    op.execute(RULES)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back before alerts")
