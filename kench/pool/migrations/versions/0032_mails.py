"""Addresses of e-mail that somebody confirmed, and letters to them in the outbox of alerts.

An address is confirmed for the person who asked that letters go there. A link's secret is made when
its letter is sent, and kept as a digest. Of an address only what its owner said changes.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE mail_addresses (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id    integer NOT NULL REFERENCES persons,
    address      text NOT NULL CHECK (char_length(address) BETWEEN 3 AND 254),
    language     text NOT NULL CHECK (language IN ('ky', 'ru', 'en')),
    added_at     timestamptz NOT NULL,
    confirmed_at timestamptz,
    -- Its owner wants no letters that this person asks for.
    refused_at   timestamptz,
    UNIQUE (person_id, address)
);
CREATE INDEX mail_addresses_by_address ON mail_addresses (lower(address));

CREATE TABLE mail_links (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address_id    integer NOT NULL REFERENCES mail_addresses,
    secret_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(secret_sha256) = 32),
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz
);
CREATE INDEX mail_links_by_end ON mail_links (expires_at);

ALTER TABLE alert_messages
    ALTER COLUMN rule_id DROP NOT NULL,
    ADD COLUMN address_id integer REFERENCES mail_addresses,
    -- The page that a letter leads to, and what it is about: nobody is told twice of one thing.
    ADD COLUMN path text NOT NULL DEFAULT '' CHECK (char_length(path) <= 100),
    ADD COLUMN about text CHECK (char_length(about) <= 100),
    ADD CONSTRAINT alert_messages_to_check CHECK ((rule_id IS NULL) <> (address_id IS NULL)),
    DROP CONSTRAINT alert_messages_event_check,
    ADD CONSTRAINT alert_messages_event_check CHECK (
        event IN ('begun', 'over', 'test', 'letter', 'confirm')
    );
CREATE INDEX alert_messages_of_address ON alert_messages (address_id, queued_at)
    WHERE address_id IS NOT NULL;
CREATE UNIQUE INDEX alert_messages_about ON alert_messages (address_id, about)
    WHERE about IS NOT NULL;
"""

RULES = """
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON mail_addresses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_mail_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.person_id, NEW.address, NEW.added_at)
        <> (OLD.id, OLD.person_id, OLD.address, OLD.added_at)
    THEN
        RAISE EXCEPTION 'of address % only what its owner said changes', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_mail_address BEFORE UPDATE ON mail_addresses
    FOR EACH ROW EXECUTE FUNCTION keep_mail_address();

CREATE FUNCTION keep_mail_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.address_id, NEW.secret_sha256, NEW.expires_at)
        <> (OLD.id, OLD.address_id, OLD.secret_sha256, OLD.expires_at) OR OLD.used_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'link % is used once, and stays what it was', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_mail_link BEFORE UPDATE ON mail_links
    FOR EACH ROW EXECUTE FUNCTION keep_mail_link();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE (language, confirmed_at, refused_at) ON mail_addresses
    TO kench_cabinet;
GRANT SELECT, INSERT, UPDATE (used_at), DELETE ON mail_links TO kench_cabinet;
"""


def upgrade() -> None:
    """Make the tables, their rules, and grant."""
    for statements in (TABLES, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back before letters")
