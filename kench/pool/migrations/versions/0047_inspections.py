"""Inspections of participants: planned with what was known then, ended once by a signed outcome.

PostgreSQL itself keeps which are to be done. Nothing of it is changed or taken back.
"""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE inspections (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    planned_by     integer NOT NULL REFERENCES persons,
    planned_at     timestamptz NOT NULL,
    due            date NOT NULL,
    calendar       text NOT NULL CHECK (char_length(calendar) BETWEEN 1 AND 100),
    score          integer NOT NULL CHECK (score BETWEEN 0 AND 100),
    facts          jsonb NOT NULL CHECK (jsonb_typeof(facts) = 'object')
);
CREATE INDEX inspections_of ON inspections (participant_id, id);

CREATE TABLE inspection_outcomes (
    inspection_id integer PRIMARY KEY REFERENCES inspections,
    act_id        bigint NOT NULL UNIQUE REFERENCES signed_acts,
    person_id     integer NOT NULL REFERENCES persons,
    result        text NOT NULL CHECK (result IN ('conforms', 'violations', 'not_done')),
    at            timestamptz NOT NULL
);

CREATE TABLE inspection_queue (
    inspection_id  integer PRIMARY KEY REFERENCES inspections,
    participant_id integer NOT NULL UNIQUE,
    due            date NOT NULL
);
CREATE INDEX inspection_queue_by_day ON inspection_queue (due, inspection_id);
"""
TRIGGERS = """
CREATE FUNCTION follow_inspection() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'inspections' THEN
        INSERT INTO inspection_queue VALUES (NEW.id, NEW.participant_id, NEW.due);
    ELSE
        DELETE FROM inspection_queue WHERE inspection_id = NEW.inspection_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_inspection AFTER INSERT ON inspections
    FOR EACH ROW EXECUTE FUNCTION follow_inspection();
CREATE TRIGGER follow_inspection AFTER INSERT ON inspection_outcomes
    FOR EACH ROW EXECUTE FUNCTION follow_inspection();
"""
GRANTS = """
GRANT SELECT, INSERT ON inspections, inspection_outcomes TO kench_cabinet;
GRANT SELECT ON inspection_queue TO kench_cabinet;
GRANT SELECT ON inspections, inspection_outcomes, inspection_queue TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, have the queue follow, and grant."""
    op.execute(TABLES)
    for name in ("inspections", "inspection_outcomes"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(TRIGGERS)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: what was found and signed is not thrown away by a schema change."""
    raise NotImplementedError("inspections are never downgraded: restore a backup instead")
