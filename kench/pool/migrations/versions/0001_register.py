"""The register of participants and workers, refusals, front ends, and the processes' roles."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Roles belong to the whole server, so another database (or another migration at this moment) may
# have made them.
ROLES = """
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['kench_stratum', 'kench_settle', 'kench_read'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END
$$
"""

# A journal record holds both ids in 32 bits without sign; 0 means unknown and is never given out.
PARTICIPANTS = """
CREATE TABLE participants (
    id           integer GENERATED ALWAYS AS IDENTITY (MINVALUE 1) PRIMARY KEY,
    name         text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    state        text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'removed')),
    token_sha256 bytea NOT NULL CHECK (octet_length(token_sha256) = 32),
    created_at   timestamptz NOT NULL DEFAULT now()
)
"""

WORKERS = """
CREATE TABLE workers (
    id             integer GENERATED ALWAYS AS IDENTITY (MINVALUE 1) PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants (id),
    name           text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (participant_id, name)
)
"""

# No foreign keys: refusals are counted for logins that nobody knows as well (id 0).
REFUSALS = """
CREATE TABLE refusals (
    participant_id integer NOT NULL CHECK (participant_id >= 0),
    worker_id      integer NOT NULL CHECK (worker_id >= 0),
    reason         text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 64),
    count          bigint NOT NULL CHECK (count >= 0),
    PRIMARY KEY (participant_id, worker_id, reason)
)
"""

FRONT_ENDS = """
CREATE TABLE front_ends (
    instance   integer PRIMARY KEY CHECK (instance >= 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    state      jsonb NOT NULL CHECK (jsonb_typeof(state) = 'object')
)
"""

# Whoever writes the register, by whatever way, is heard by the front ends.
NOTIFY = """
CREATE FUNCTION notify_register() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('kench_register', coalesce(NEW.id, OLD.id)::text);
    RETURN NULL;
END
$$
"""

NOTIFY_TRIGGER = """
CREATE TRIGGER notify_register AFTER INSERT OR UPDATE OR DELETE ON participants
    FOR EACH ROW EXECUTE FUNCTION notify_register()
"""

# A removed participant stays removed, whoever writes; its shares and money keep their owner.
REMOVED_IS_FINAL = """
CREATE FUNCTION keep_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'removed' AND NEW.state <> 'removed' THEN
        RAISE EXCEPTION 'participant % was removed; removal is final', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$
"""

REMOVED_TRIGGER = """
CREATE TRIGGER keep_removed BEFORE UPDATE ON participants
    FOR EACH ROW EXECUTE FUNCTION keep_removed()
"""

GRANTS = (
    "GRANT USAGE ON SCHEMA public TO kench_stratum, kench_settle, kench_read",
    "GRANT SELECT ON alembic_version TO kench_stratum, kench_settle, kench_read",
    "GRANT SELECT ON participants TO kench_stratum",
    "GRANT SELECT, INSERT ON workers TO kench_stratum",
    "GRANT SELECT, INSERT, UPDATE ON refusals, front_ends TO kench_stratum",
    # Nobody but stratum has a use for the tokens' hashes.
    "GRANT SELECT (id, name, state, created_at) ON participants TO kench_settle, kench_read",
    "GRANT SELECT ON workers, refusals, front_ends TO kench_settle, kench_read",
)


def upgrade() -> None:
    """Make the roles, the tables, their triggers, and grant."""
    for statement in (
        ROLES, PARTICIPANTS, WORKERS, REFUSALS, FRONT_ENDS,
        NOTIFY, NOTIFY_TRIGGER, REMOVED_IS_FINAL, REMOVED_TRIGGER, *GRANTS,
    ):  # fmt: skip
        op.execute(statement)


def downgrade() -> None:
    """Refuse: what the register holds cannot be made again."""
    raise NotImplementedError("restore a backup to go back before the register")
