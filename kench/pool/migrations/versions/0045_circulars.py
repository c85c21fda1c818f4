"""Circulars of the authorised body: whom one reached, who opened it.

None of it is changed or taken back, but that a recipient was written to. A circular has a signed
act of its author.
"""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE circulars (
    id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    act_id    bigint NOT NULL UNIQUE REFERENCES signed_acts,
    person_id integer NOT NULL REFERENCES persons,
    title     text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 150),
    -- What chose the recipients; NULL: all of them.
    state     text CHECK (state IN ('registered', 'suspended')),
    region    text CHECK (char_length(region) BETWEEN 1 AND 5),
    at        timestamptz NOT NULL
);

CREATE TABLE circular_recipients (
    participant_id integer NOT NULL REFERENCES participants,
    circular_id    integer NOT NULL REFERENCES circulars,
    told_at        timestamptz,
    PRIMARY KEY (participant_id, circular_id),
    UNIQUE (circular_id, participant_id)
);
CREATE INDEX circular_recipients_waiting ON circular_recipients (circular_id, participant_id)
    WHERE told_at IS NULL;

CREATE TABLE circular_reads (
    circular_id    integer NOT NULL,
    participant_id integer NOT NULL,
    person_id      integer NOT NULL REFERENCES persons,
    at             timestamptz NOT NULL,
    PRIMARY KEY (circular_id, participant_id, person_id),
    FOREIGN KEY (participant_id, circular_id) REFERENCES circular_recipients
);
"""
RULES = """
CREATE FUNCTION keep_circular_recipient() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.told_at IS NOT NULL OR NEW.told_at IS NULL
        OR (OLD.participant_id, OLD.circular_id) <> (NEW.participant_id, NEW.circular_id)
    THEN
        RAISE EXCEPTION 'whom a circular was sent to is not changed'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_circular_recipient BEFORE UPDATE OR DELETE ON circular_recipients
    FOR EACH ROW EXECUTE FUNCTION keep_circular_recipient();
CREATE TRIGGER append_only BEFORE TRUNCATE ON circular_recipients
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
GRANTS = """
GRANT SELECT, INSERT ON circulars, circular_recipients, circular_reads TO kench_cabinet;
GRANT UPDATE (told_at) ON circular_recipients TO kench_cabinet;
GRANT SELECT ON circulars, circular_recipients, circular_reads TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, their rules, and grant."""
    op.execute(TABLES)
    for name in ("circulars", "circular_reads"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(RULES)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: what was written and signed is not thrown away by a schema change."""
    raise NotImplementedError("circulars are never downgraded: restore a backup instead")
