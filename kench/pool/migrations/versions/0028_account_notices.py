"""Bank accounts by signed notice: a version says which one it follows and who entered it.

The cabinet may add a version of an account only so: PostgreSQL compares holder, number, bank and
least payout with the bytes that the owner signed, and sees that an officer in service, who is
somebody else, entered that notice in the same transaction or before.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

NOTICES = """
ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (
    kind IN ('certificate', 'equipment', 'suspension', 'resumption', 'exit', 'account')
);
ALTER TABLE notices DROP CONSTRAINT notices_check2;
ALTER TABLE notices ADD CONSTRAINT notices_entered_check CHECK (
    (kind IN ('certificate', 'equipment', 'account')) = (enter_by IS NOT NULL)
);
"""

ACCOUNTS = """
ALTER TABLE bank_accounts
    ADD COLUMN notice_id integer UNIQUE REFERENCES notices,
    ADD COLUMN entered_by integer REFERENCES persons,
    ADD CONSTRAINT bank_accounts_notice_check CHECK (
        (notice_id IS NULL) = (entered_by IS NULL)
    );

CREATE FUNCTION check_account_notice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    declared jsonb;
BEGIN
    IF NEW.notice_id IS NULL THEN
        IF current_user = 'kench_cabinet' THEN
            RAISE EXCEPTION 'the cabinet enters a bank account by a signed notice alone'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    -- The last line of what was signed is the notice as data.
    SELECT substring(rtrim(convert_from(content, 'UTF8'), E'\\n') FROM '[^\\n]*$')::jsonb
        -> 'account' INTO declared
    FROM notices
    JOIN signed_acts ON signed_acts.id = notices.act_id AND signed_acts.purpose = 'notice'
    JOIN notice_events AS entry ON entry.notice_id = notices.id AND entry.act = 'enter'
    JOIN persons ON persons.id = entry.person_id
    JOIN officers ON officers.pin = persons.pin AND officers.ended_at IS NULL
    WHERE notices.id = NEW.notice_id AND notices.kind = 'account'
        AND notices.participant_id = NEW.participant_id
        AND entry.person_id = NEW.entered_by AND notices.person_id <> NEW.entered_by;
    IF declared IS DISTINCT FROM jsonb_build_object(
        'holder', NEW.holder, 'number', NEW.number, 'bank', NEW.bank,
        'threshold_tyiyn', NEW.threshold_tyiyn
    ) THEN
        RAISE EXCEPTION 'account % of participant % is not what an officer entered of notice %',
            NEW.version, NEW.participant_id, NEW.notice_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_account_notice BEFORE INSERT ON bank_accounts
    FOR EACH ROW EXECUTE FUNCTION check_account_notice();
"""

GRANTS = """
GRANT INSERT (participant_id, version, holder, number, bank, threshold_tyiyn, at, notice_id,
    entered_by) ON bank_accounts TO kench_cabinet;
"""


def upgrade() -> None:
    """Let notices change accounts."""
    for statements in (NOTICES, ACCOUNTS, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: whom money went to is not thrown away by a schema change."""
    raise NotImplementedError("accounts are never downgraded: restore a backup instead")
