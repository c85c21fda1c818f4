"""Roles of officers; changes of officers and of their roles stand in the trail by themselves.

Rules that the database itself holds, whoever writes:
  - of a role only its end may be written, once; it is given to officers in service alone;
  - with the service of an officer all its roles end;
  - whoever enters or ends an officer or a role leaves a line of the trail.
Who is an officer already could decide on applications and notices, so stays able to: registrar.
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE officer_roles (
    officer_id integer NOT NULL REFERENCES officers,
    role       text NOT NULL
        CHECK (role IN ('registrar', 'inspector', 'finance', 'security', 'head')),
    from_at    timestamptz NOT NULL,
    until_at   timestamptz CHECK (until_at >= from_at),
    PRIMARY KEY (officer_id, role, from_at)
);
CREATE UNIQUE INDEX officer_roles_now ON officer_roles (officer_id, role) WHERE until_at IS NULL;
"""

RULES = """
CREATE FUNCTION check_officer_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.until_at IS NOT NULL OR NOT EXISTS (
        SELECT FROM officers
        WHERE id = NEW.officer_id AND ended_at IS NULL AND added_at <= NEW.from_at
    ) THEN
        RAISE EXCEPTION 'officer % is not in service', NEW.officer_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_officer_role BEFORE INSERT ON officer_roles
    FOR EACH ROW EXECUTE FUNCTION check_officer_role();

CREATE FUNCTION keep_officer_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.officer_id, NEW.role, NEW.from_at)
        IS DISTINCT FROM (OLD.officer_id, OLD.role, OLD.from_at)
        OR OLD.until_at IS NOT NULL OR NEW.until_at IS NULL
    THEN
        RAISE EXCEPTION 'of a role of officer % only its end is written, once', OLD.officer_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_officer_role BEFORE UPDATE ON officer_roles
    FOR EACH ROW EXECUTE FUNCTION keep_officer_role();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON officer_roles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION end_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE officer_roles SET until_at = NEW.ended_at
        WHERE officer_id = NEW.id AND until_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER end_roles AFTER UPDATE ON officers
    FOR EACH ROW EXECUTE FUNCTION end_roles();

CREATE FUNCTION tell_officer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO acts (at, act, subject, outcome, address, detail) VALUES (
        coalesce(NEW.ended_at, NEW.added_at),
        CASE WHEN NEW.ended_at IS NULL THEN 'add_officer' ELSE 'end_officer' END,
        'officer ' || NEW.id, 'done', '', NEW.pin);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_officer AFTER INSERT OR UPDATE ON officers
    FOR EACH ROW EXECUTE FUNCTION tell_officer();

CREATE FUNCTION tell_officer_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO acts (at, act, subject, outcome, address, detail) VALUES (
        coalesce(NEW.until_at, NEW.from_at),
        CASE WHEN NEW.until_at IS NULL THEN 'grant_role' ELSE 'end_role' END,
        'officer ' || NEW.officer_id, 'done', '', NEW.role);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_officer_role AFTER INSERT OR UPDATE ON officer_roles
    FOR EACH ROW EXECUTE FUNCTION tell_officer_role();
"""

BEFORE = """
INSERT INTO officer_roles (officer_id, role, from_at)
    SELECT id, 'registrar', greatest(now(), added_at) FROM officers WHERE ended_at IS NULL;
"""

GRANTS = "GRANT SELECT ON officer_roles TO kench_cabinet, kench_settle, kench_sell, kench_read;"


def upgrade() -> None:
    """Make the table and its rules, give the roles of before, and grant."""
    for statements in (TABLES, RULES, BEFORE, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: who had which role is not thrown away by a schema change."""
    raise NotImplementedError("roles are never downgraded: restore a backup instead")
