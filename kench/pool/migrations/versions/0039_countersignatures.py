"""Acts that need two officers: who signed which data, and which signature made the pair whole."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE countersignatures (
    kind        text NOT NULL CHECK (kind ~ '^[a-z]{1,20}$'),
    subject     text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 200),
    data_sha256 bytea NOT NULL CHECK (octet_length(data_sha256) = 32),
    person_id   integer NOT NULL REFERENCES persons,
    -- Who left the service and came back signs anew, so one person may be here twice.
    act_id      bigint PRIMARY KEY REFERENCES signed_acts,
    at          timestamptz NOT NULL,
    -- With this one there were two that counted: of two persons, and never again of this data.
    completes   boolean NOT NULL
);
CREATE UNIQUE INDEX countersignatures_once ON countersignatures (kind, subject, data_sha256)
    WHERE completes;
CREATE INDEX countersignatures_of ON countersignatures (kind, subject, data_sha256);
CREATE INDEX countersignatures_newest
    ON countersignatures (kind, subject, at DESC, act_id DESC);
"""

RULES = """
CREATE FUNCTION check_countersignature() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM signed_acts WHERE id = NEW.act_id AND person_id = NEW.person_id
    ) THEN
        RAISE EXCEPTION 'countersignature of person % by an act of another', NEW.person_id;
    END IF;
    IF NEW.completes AND NOT EXISTS (
        SELECT FROM countersignatures WHERE kind = NEW.kind AND subject = NEW.subject
            AND data_sha256 = NEW.data_sha256 AND person_id <> NEW.person_id
    ) THEN
        RAISE EXCEPTION 'a pair is two different officers: % %', NEW.kind, NEW.subject;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_countersignature BEFORE INSERT ON countersignatures
    FOR EACH ROW EXECUTE FUNCTION check_countersignature();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersignatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

GRANTS = """
GRANT SELECT, INSERT ON countersignatures TO kench_cabinet;
GRANT SELECT ON countersignatures TO kench_read;
"""


def upgrade() -> None:
    """Make the table, its rules, and grant."""
    for statements in (TABLES, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: what two officers signed is not thrown away by a schema change."""
    raise NotImplementedError("countersignatures are never downgraded: restore a backup instead")
