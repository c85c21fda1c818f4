"""Orders of the authorised body, their officers, signatures and acceptances.

Rules that the database itself holds, whoever writes:
  - nothing is changed or taken back, but that an officer's service ends, once;
  - what is kept by a digest has that digest;
  - an order is proposed only under the next number, signed only by officers in service and while it
    waits, accepted only once, in turn, with signatures of two different persons in service.
No role of a process writes here: orders are entered by the schema's owner (`kench order`).
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE officers (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pin      text NOT NULL CHECK (pin ~ '^[12][0-9]{13}$'),
    name     text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    duty     text NOT NULL CHECK (char_length(duty) BETWEEN 1 AND 200),
    added_at timestamptz NOT NULL,
    ended_at timestamptz CHECK (ended_at >= added_at)
);
CREATE UNIQUE INDEX officers_in_service ON officers (pin) WHERE ended_at IS NULL;

CREATE TABLE orders (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number         integer NOT NULL CHECK (number BETWEEN 1 AND 1000000),
    title          text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    network        text NOT NULL,
    content        bytea NOT NULL CHECK (octet_length(content) <= 65536),
    content_sha256 bytea NOT NULL UNIQUE CHECK (content_sha256 = sha256(content)),
    proposed_at    timestamptz NOT NULL,
    UNIQUE (id, number)
);

CREATE TABLE order_evidence (
    digest  bytea PRIMARY KEY CHECK (digest = sha256(content)),
    content bytea NOT NULL
);

CREATE TABLE order_signatures (
    order_id           integer NOT NULL REFERENCES orders,
    officer_id         integer NOT NULL REFERENCES officers,
    signature          bytea NOT NULL,
    certificate_sha256 bytea NOT NULL CHECK (octet_length(certificate_sha256) = 32),
    certificates       bytea[] NOT NULL,
    crls               bytea[] NOT NULL,
    signed_at          timestamptz NOT NULL,
    PRIMARY KEY (order_id, officer_id)
);

CREATE TABLE order_acceptances (
    number      integer PRIMARY KEY,
    order_id    integer NOT NULL UNIQUE,
    accepted_at timestamptz NOT NULL,
    tip_height  integer CHECK (tip_height >= 0),
    FOREIGN KEY (order_id, number) REFERENCES orders (id, number)
);
"""

RULES = """
CREATE FUNCTION keep_officer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.pin, NEW.name, NEW.duty, NEW.added_at)
        IS DISTINCT FROM (OLD.id, OLD.pin, OLD.name, OLD.duty, OLD.added_at)
        OR OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL
    THEN
        RAISE EXCEPTION 'of officer % only the service may end, once', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_officer BEFORE UPDATE ON officers
    FOR EACH ROW EXECUTE FUNCTION keep_officer();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON officers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_signatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_acceptances
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One after the other: two at once would both see the same orders before them.
    LOCK TABLE order_acceptances IN SHARE ROW EXCLUSIVE MODE;
    IF NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM order_acceptances) THEN
        RAISE EXCEPTION 'order % is not the next one', NEW.number
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_order AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION check_order();

CREATE FUNCTION check_order_signature() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM officers WHERE id = NEW.officer_id AND added_at <= NEW.signed_at
            AND (ended_at IS NULL OR ended_at > NEW.signed_at)
    ) THEN
        RAISE EXCEPTION 'officer % is not in service', NEW.officer_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM order_acceptances WHERE order_id = NEW.order_id) THEN
        RAISE EXCEPTION 'the order is accepted already' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_order_signature AFTER INSERT ON order_signatures
    FOR EACH ROW EXECUTE FUNCTION check_order_signature();

CREATE FUNCTION check_order_acceptance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <> (SELECT count(*) FROM order_acceptances) THEN
        RAISE EXCEPTION 'order % is not the next one', NEW.number
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM order_acceptances WHERE accepted_at > NEW.accepted_at) THEN
        RAISE EXCEPTION 'order % would be accepted before one that was', NEW.number
            USING ERRCODE = 'check_violation';
    END IF;
    IF 2 > (
        SELECT count(DISTINCT officers.pin)
        FROM order_signatures AS signed JOIN officers ON officers.id = signed.officer_id
        WHERE signed.order_id = NEW.order_id AND signed.signed_at <= NEW.accepted_at
            AND officers.added_at <= NEW.accepted_at
            AND (officers.ended_at IS NULL OR officers.ended_at > NEW.accepted_at)
    ) THEN
        RAISE EXCEPTION 'order % has not the signatures of two officers', NEW.number
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_order_acceptance AFTER INSERT ON order_acceptances
    FOR EACH ROW EXECUTE FUNCTION check_order_acceptance();
"""

GRANTS = """
GRANT SELECT ON officers, orders, order_evidence, order_signatures, order_acceptances
    TO kench_stratum, kench_settle, kench_sell, kench_read;
"""


def upgrade() -> None:
    """Make the tables, their rules, and grant."""
    for statements in (TABLES, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: orders are not thrown away by a schema change."""
    raise NotImplementedError("orders are never downgraded: restore a backup instead")
