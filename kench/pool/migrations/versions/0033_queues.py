"""What waits, apart from all that ever came: open applications and notices by their day.

Events are appended and say what ended; these two tables follow them by triggers alone, so that the
most urgent are found without passing what ended years ago. Nobody else writes them.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE application_queue (
    application_id integer PRIMARY KEY REFERENCES applications,
    decide_by      date NOT NULL
);
CREATE INDEX application_queue_by_day ON application_queue (decide_by, application_id);

CREATE TABLE notice_queue (
    notice_id      integer PRIMARY KEY REFERENCES notices,
    participant_id integer NOT NULL REFERENCES participants,
    kind           text NOT NULL,
    -- Whether an officer is to enter it; all others take effect on their day by themselves.
    is_entered     boolean NOT NULL,
    due            date NOT NULL
);
CREATE INDEX notice_queue_by_day ON notice_queue (due, notice_id);
CREATE INDEX notice_queue_of ON notice_queue (participant_id, notice_id);

INSERT INTO application_queue
    SELECT id, decide_by FROM applications WHERE NOT EXISTS (
        SELECT FROM application_events
        WHERE application_id = applications.id AND state <> 'submitted'
    );
INSERT INTO notice_queue
    SELECT id, participant_id, kind, enter_by IS NOT NULL,
        coalesce(enter_by, day, (made_at AT TIME ZONE 'Asia/Bishkek')::date)
    FROM notices WHERE NOT EXISTS (
        SELECT FROM notice_events WHERE notice_id = notices.id AND state <> 'waiting'
    );
"""

TRIGGERS = """
CREATE FUNCTION follow_application() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state = 'submitted' THEN
        INSERT INTO application_queue
            SELECT id, decide_by FROM applications WHERE id = NEW.application_id;
    ELSE
        DELETE FROM application_queue WHERE application_id = NEW.application_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_application AFTER INSERT ON application_events
    FOR EACH ROW EXECUTE FUNCTION follow_application();

CREATE FUNCTION follow_notice() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state = 'waiting' THEN
        INSERT INTO notice_queue
            SELECT id, participant_id, kind, enter_by IS NOT NULL,
                coalesce(enter_by, day, (made_at AT TIME ZONE 'Asia/Bishkek')::date)
            FROM notices WHERE id = NEW.notice_id;
    ELSE
        DELETE FROM notice_queue WHERE notice_id = NEW.notice_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_notice AFTER INSERT ON notice_events
    FOR EACH ROW EXECUTE FUNCTION follow_notice();
"""

GRANTS = "GRANT SELECT ON application_queue, notice_queue TO kench_cabinet, kench_read;"


def upgrade() -> None:
    """Make the tables, fill them, and have them follow."""
    for statements in (TABLES, TRIGGERS, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: the register is never downgraded."""
    raise NotImplementedError("the register is never downgraded: restore a backup instead")
