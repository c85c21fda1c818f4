"""Orders drafted and signed at the desk, and what two officers want done with a lot.

Drafts only grow by versions. What the cabinet enters as an officer's signature of an order must be
a signed act of that very person over that very order. The cabinet moves no lot: it writes down what
two officers signed, and `kench sell` checks that itself, carries it out or says why not.
"""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

DRAFTS = """
CREATE TABLE order_drafts (
    draft          integer NOT NULL CHECK (draft > 0),
    version        integer NOT NULL CHECK (version > 0),
    title          text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    content        bytea NOT NULL CHECK (octet_length(content) <= 65536),
    content_sha256 bytea NOT NULL CHECK (content_sha256 = sha256(content)),
    person_id      integer NOT NULL REFERENCES persons,
    at             timestamptz NOT NULL,
    -- Put aside: it is listed no more, and nobody signs it.
    dropped        boolean NOT NULL DEFAULT false,
    PRIMARY KEY (draft, version)
);
CREATE INDEX order_drafts_by_digest ON order_drafts (content_sha256);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_drafts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

SIGNING = """
-- It locks a table, which only its owner may.
ALTER FUNCTION check_order() SECURITY DEFINER SET search_path = public, pg_temp;

CREATE FUNCTION check_signed_at_desk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'kench_cabinet' AND NOT EXISTS (
        SELECT FROM orders
        JOIN signed_acts ON signed_acts.purpose = 'order'
            AND signed_acts.subject = 'order ' || orders.number
            AND signed_acts.content_sha256 = orders.content_sha256
        JOIN persons ON persons.id = signed_acts.person_id
        JOIN officers ON officers.pin = persons.pin
        WHERE orders.id = NEW.order_id AND officers.id = NEW.officer_id
            AND signed_acts.signature = NEW.signature
    ) THEN
        RAISE EXCEPTION 'a signature of order % that is no signed act', NEW.order_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_signed_at_desk AFTER INSERT ON order_signatures
    FOR EACH ROW EXECUTE FUNCTION check_signed_at_desk();
"""

WISHES = """
CREATE TABLE lot_wishes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    block_hash  text NOT NULL,
    vout        integer NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    document    bytea NOT NULL CHECK (octet_length(document) <= 4096),
    signature_1 bytea NOT NULL CHECK (octet_length(signature_1) <= 65536),
    signature_2 bytea NOT NULL CHECK (octet_length(signature_2) <= 65536),
    act_1       bigint NOT NULL UNIQUE REFERENCES signed_acts,
    act_2       bigint NOT NULL UNIQUE REFERENCES signed_acts,
    at          timestamptz NOT NULL,
    FOREIGN KEY (block_hash, vout) REFERENCES lots
);
CREATE INDEX lot_wishes_of_lot ON lot_wishes (block_hash, vout, id);
CREATE TABLE lot_wish_ends (
    wish_id bigint PRIMARY KEY REFERENCES lot_wishes,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
    words   text NOT NULL CHECK (char_length(words) BETWEEN 1 AND 1000),
    at      timestamptz NOT NULL
);
-- What waits, apart from all that ever was wished; triggers alone write it.
CREATE TABLE lot_wish_queue (wish_id bigint PRIMARY KEY REFERENCES lot_wishes);
CREATE FUNCTION follow_wish() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'lot_wishes' THEN
        INSERT INTO lot_wish_queue VALUES (NEW.id);
    ELSE
        DELETE FROM lot_wish_queue WHERE wish_id = NEW.wish_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_wish AFTER INSERT ON lot_wishes
    FOR EACH ROW EXECUTE FUNCTION follow_wish();
CREATE TRIGGER follow_wish AFTER INSERT ON lot_wish_ends
    FOR EACH ROW EXECUTE FUNCTION follow_wish();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lot_wishes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lot_wish_ends
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# What a simulation asks about the last days.
INDEXES = """
CREATE INDEX screenings_at ON screenings (at);
CREATE INDEX payout_batches_made ON payout_batches (made_at);
"""

GRANTS = """
GRANT SELECT, INSERT ON order_drafts, lot_wishes TO kench_cabinet;
GRANT INSERT ON orders, order_signatures, order_evidence, order_acceptances TO kench_cabinet;
GRANT SELECT ON lot_wish_ends, lot_wish_queue, lot_waits, lot_deposits, screenings, sale_halts,
    lot_resolutions, licence_warnings TO kench_cabinet;
GRANT SELECT (id, venue, at, differences) ON reconciliations TO kench_cabinet;
GRANT SELECT ON lot_wishes, lot_wish_ends, lot_wish_queue TO kench_sell, kench_read;
GRANT INSERT ON lot_wish_ends TO kench_sell;
GRANT SELECT ON order_drafts TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, their rules, and grant."""
    for statements in (DRAFTS, SIGNING, WISHES, INDEXES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: what was signed is not thrown away by a schema change."""
    raise NotImplementedError("drafts and wishes are never downgraded: restore a backup instead")
