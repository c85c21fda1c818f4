"""A participant is called as its entry in the register says: a notice may change the name.

What it was called before is kept, with the moment until when: blocks of that time were signed with
it. PostgreSQL does so itself, whoever writes.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

FORMER_NAMES = """
CREATE TABLE former_names (
    participant_id integer NOT NULL REFERENCES participants,
    until          timestamptz NOT NULL,
    name           text NOT NULL,
    PRIMARY KEY (participant_id, until)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON former_names
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_former_name() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO former_names VALUES (OLD.id, clock_timestamp(), OLD.name);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_former_name AFTER UPDATE OF name ON participants
    FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION keep_former_name();
"""
GRANTS = """
GRANT UPDATE (name) ON participants TO kench_cabinet;
GRANT SELECT ON former_names TO kench_settle, kench_cabinet, kench_read;
"""


def upgrade() -> None:
    """Let the cabinet write names, and keep the former ones."""
    op.execute(FORMER_NAMES)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: what was signed could not be made again without the former names."""
    raise NotImplementedError("former names are never dropped: restore a backup instead")
