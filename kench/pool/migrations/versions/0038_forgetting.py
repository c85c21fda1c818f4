"""Documents that nobody signed may be forgotten; what a signed act names stays, whoever deletes.

Kept documents were append-only until here. Now a row of `uploads` goes unless an act of its person
names it by its digest, and a document's bytes go when no upload is left.
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

RULES = """
DROP TRIGGER append_only ON uploads;
DROP TRIGGER append_only ON attachments;
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON uploads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON attachments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_signed_upload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM signed_acts WHERE person_id = OLD.person_id
            AND strpos(encode(content, 'escape'), encode(OLD.sha256, 'hex')) > 0
    ) THEN
        RAISE EXCEPTION 'document % is named by a signed act of person %',
            encode(OLD.sha256, 'hex'), OLD.person_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER keep_signed_upload BEFORE DELETE ON uploads
    FOR EACH ROW EXECUTE FUNCTION keep_signed_upload();

CREATE INDEX uploads_by_time ON uploads (at);
CREATE INDEX uploads_by_digest ON uploads (sha256);
CREATE INDEX participant_people_ever_by_pin ON participant_people (pin);
CREATE INDEX drafts_by_time ON drafts (saved_at);
"""

GRANTS = """
GRANT DELETE ON uploads, attachments TO kench_cabinet;
"""


def upgrade() -> None:
    """Change the rules, and grant."""
    op.execute(RULES)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back")
