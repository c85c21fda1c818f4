"""The trail's seals and anchors, whose papers an act was about, and what the desk searches by.

Rules that the database itself holds, whoever writes:
  - each act waits in a queue from the moment it is written until it is sealed;
  - seals and anchors are never changed or taken back; a seal follows the one before it;
  - an anchor is of a line that is sealed with that hash.
"""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

TABLES = """
-- Without a reference: what was looked for need not exist.
ALTER TABLE acts ADD COLUMN participant_id integer;
CREATE INDEX acts_by_time ON acts (at, id);
CREATE INDEX acts_of_person_by_time ON acts (person_id, at, id);
CREATE INDEX acts_of_act ON acts (act, at, id);
CREATE INDEX acts_of_participant ON acts (participant_id, at, id) WHERE participant_id IS NOT NULL;

CREATE TABLE trail_queue (
    act_id bigint PRIMARY KEY REFERENCES acts,
    at     timestamptz NOT NULL
);
CREATE INDEX trail_queue_by_time ON trail_queue (at);
INSERT INTO trail_queue SELECT id, at FROM acts;

CREATE TABLE trail_seals (
    number   bigint PRIMARY KEY CHECK (number > 0),
    act_id   bigint NOT NULL UNIQUE REFERENCES acts,
    previous bytea NOT NULL CHECK (octet_length(previous) = 32),
    hash     bytea NOT NULL CHECK (octet_length(hash) = 32)
);

CREATE TABLE trail_anchors (
    day        date PRIMARY KEY,
    number     bigint NOT NULL REFERENCES trail_seals,
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
    signature  bytea NOT NULL CHECK (octet_length(signature) = 64),
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    at         timestamptz NOT NULL
);
CREATE INDEX trail_anchors_by_number ON trail_anchors (number);
"""

RULES = """
CREATE FUNCTION queue_act() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO trail_queue VALUES (NEW.id, NEW.at);
    RETURN NULL;
END $$;
CREATE TRIGGER queue_act AFTER INSERT ON acts FOR EACH ROW EXECUTE FUNCTION queue_act();

CREATE FUNCTION check_seals() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- Each new one follows another; the very first follows zeros.
    IF EXISTS (
        SELECT FROM sealed LEFT JOIN trail_seals AS before ON before.number = sealed.number - 1
        WHERE sealed.previous IS DISTINCT FROM coalesce(
            before.hash, CASE WHEN sealed.number = 1 THEN decode(repeat('00', 32), 'hex') END)
    ) THEN
        RAISE EXCEPTION 'a seal does not follow the one before it'
            USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM trail_queue USING sealed WHERE trail_queue.act_id = sealed.act_id;
    RETURN NULL;
END $$;
CREATE TRIGGER check_seals AFTER INSERT ON trail_seals
    REFERENCING NEW TABLE AS sealed FOR EACH STATEMENT EXECUTE FUNCTION check_seals();

CREATE FUNCTION check_anchor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM trail_seals WHERE number = NEW.number AND hash = NEW.hash) THEN
        RAISE EXCEPTION 'line % is not sealed with that hash', NEW.number
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_anchor BEFORE INSERT ON trail_anchors
    FOR EACH ROW EXECUTE FUNCTION check_anchor();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail_anchors
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

GRANTS = """
GRANT SELECT ON trail_queue, trail_seals, trail_anchors TO kench_cabinet, kench_settle, kench_read;
GRANT INSERT ON trail_seals TO kench_cabinet;
GRANT INSERT ON trail_anchors TO kench_settle;
GRANT SELECT ON acts TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, queue what was written before, and grant."""
    for statements in (TABLES, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: what was sealed is not thrown away by a schema change."""
    raise NotImplementedError("the trail is never downgraded: restore a backup instead")
