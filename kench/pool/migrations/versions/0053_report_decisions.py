"""What officers say of a filed report is signed; what they said before stays without a signature.

PostgreSQL reads the signed bytes itself.
"""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

COLUMN = "ALTER TABLE report_decisions ADD COLUMN act_id bigint UNIQUE REFERENCES signed_acts"
RULE = """
CREATE FUNCTION check_report_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    signed jsonb;
    about record;
BEGIN
    SELECT substring(rtrim(convert_from(acts.content, 'UTF8'), chr(10))
        FROM '[^' || chr(10) || ']*$')::jsonb INTO signed
    FROM signed_acts AS acts
    WHERE acts.id = NEW.act_id AND acts.purpose = 'report_decision'
        AND acts.person_id = NEW.person_id;
    SELECT filings.report_id, filings.version, encode(filed.content_sha256, 'hex') AS digest
    INTO about FROM report_filings AS filings
    JOIN signed_acts AS filed ON filed.id = filings.act_id WHERE filings.id = NEW.filing_id;
    IF (signed -> 'report', signed -> 'version', signed -> 'filing_sha256', signed -> 'verdict',
            signed -> 'remarks')
        IS DISTINCT FROM (to_jsonb(about.report_id), to_jsonb(about.version),
            to_jsonb(about.digest), to_jsonb(NEW.outcome), to_jsonb(NEW.remarks))
    THEN
        RAISE EXCEPTION 'the decision on filing % is not what was signed', NEW.filing_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_report_decision AFTER INSERT ON report_decisions
    FOR EACH ROW EXECUTE FUNCTION check_report_decision();
"""


def upgrade() -> None:
    """Add the signed act, and the rule."""
    op.execute(COLUMN)
    op.execute(RULE)


def downgrade() -> None:
    """Refuse: what people signed is not thrown away by a schema change."""
    raise NotImplementedError("reports are never downgraded: restore a backup instead")
