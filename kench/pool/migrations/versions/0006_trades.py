"""Orders at venues and their fills: written ahead, ended once, booked once.

Rules that the database itself holds, whoever writes:
  - an intent takes its satoshi from its lot under the lock of the lot's row, and a lot has one open
    venue order at most;
  - an order that ended stays as it ended; a trade of a venue is booked once, and never for more
    than its order or its lot has.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TRADES = """
CREATE TABLE venue_orders (
    client_id text PRIMARY KEY CHECK (client_id ~ '^[0-9a-f]{32}$'),
    block_hash text NOT NULL,
    vout integer NOT NULL,
    slice integer NOT NULL CHECK (slice > 0),
    venue text NOT NULL,
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    limit_price numeric NOT NULL CHECK (limit_price > 0),
    -- The price that later quotes of this venue are compared with.
    reference_price numeric NOT NULL CHECK (reference_price > 0),
    sale_order integer NOT NULL,
    licence_order integer NOT NULL,
    -- intended: written before it is sent; uncertain: sent, no answer that can be relied on.
    state text NOT NULL DEFAULT 'intended' CHECK (state IN (
        'intended', 'uncertain', 'open', 'filled', 'cancelled', 'rejected', 'not_placed')),
    venue_order_id text,
    reason text NOT NULL DEFAULT '',
    intended_at timestamptz NOT NULL,
    ended_at timestamptz,
    -- Kept by trigger.
    filled_sat bigint NOT NULL DEFAULT 0 CHECK (filled_sat >= 0),
    UNIQUE (block_hash, vout, slice),
    UNIQUE (client_id, venue, block_hash, vout),
    FOREIGN KEY (block_hash, vout) REFERENCES lots,
    CHECK (filled_sat <= amount_sat),
    CHECK (state <> 'filled' OR filled_sat = amount_sat),
    CHECK (state NOT IN ('rejected', 'not_placed') OR filled_sat = 0),
    CHECK ((ended_at IS NULL) = (state IN ('intended', 'uncertain', 'open')))
);
CREATE UNIQUE INDEX venue_orders_one_open ON venue_orders (block_hash, vout)
    WHERE state IN ('intended', 'uncertain', 'open');
CREATE INDEX venue_orders_intended ON venue_orders (venue, intended_at);
CREATE TABLE fills (
    venue text,
    trade_id text,
    client_id text NOT NULL,
    block_hash text NOT NULL,
    vout integer NOT NULL,
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    price numeric NOT NULL CHECK (price > 0),
    cost numeric NOT NULL CHECK (cost >= 0),
    fee numeric NOT NULL CHECK (fee >= 0),
    -- What this fill adds to its lot in whole tyiyn: differences of the floors of the cost's sum,
    -- and of the ceilings of the fee's.
    gross_tyiyn bigint NOT NULL CHECK (gross_tyiyn >= 0),
    fee_tyiyn bigint NOT NULL CHECK (fee_tyiyn >= 0),
    at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL,
    raw text NOT NULL,
    PRIMARY KEY (venue, trade_id),
    FOREIGN KEY (client_id, venue, block_hash, vout)
        REFERENCES venue_orders (client_id, venue, block_hash, vout)
);
CREATE INDEX fills_lot ON fills (block_hash, vout);
CREATE INDEX fills_at ON fills (at);
"""

GUARD_TRADES = """
CREATE FUNCTION guard_order() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'intended' OR NEW.filled_sat <> 0 THEN
            RAISE EXCEPTION 'a venue order begins as an intent' USING ERRCODE = 'check_violation';
        END IF;
        -- Locks the lot's row: two intents of one lot take turns, the check sees both.
        UPDATE lots SET open_sat = open_sat + NEW.amount_sat
        WHERE (block_hash, vout, venue, state)
            = (NEW.block_hash, NEW.vout, NEW.venue, 'selling');
        IF NOT FOUND THEN
            RAISE EXCEPTION 'lot %:% is not being sold at %', NEW.block_hash, NEW.vout, NEW.venue
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.client_id, NEW.block_hash, NEW.vout, NEW.slice, NEW.venue, NEW.amount_sat,
        NEW.limit_price, NEW.reference_price, NEW.sale_order, NEW.licence_order, NEW.intended_at)
        <> (OLD.client_id, OLD.block_hash, OLD.vout, OLD.slice, OLD.venue, OLD.amount_sat,
            OLD.limit_price, OLD.reference_price, OLD.sale_order, OLD.licence_order,
            OLD.intended_at)
        OR (OLD.ended_at IS NOT NULL AND (NEW.state, NEW.ended_at) <> (OLD.state, OLD.ended_at))
        OR (NEW.state = 'intended' AND OLD.state <> 'intended') THEN
        RAISE EXCEPTION 'what a venue order is, and how it ended, never changes'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.filled_sat < NEW.amount_sat THEN
        UPDATE lots SET open_sat = open_sat - (NEW.amount_sat - NEW.filled_sat)
        WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)
            AND NEW.amount_sat > NEW.filled_sat;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_order BEFORE INSERT OR UPDATE ON venue_orders
    FOR EACH ROW EXECUTE FUNCTION guard_order();
CREATE FUNCTION apply_fill() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    is_open boolean;
BEGIN
    -- The lot first, as for intents: whoever writes locks in the same order.
    PERFORM FROM lots WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout) FOR UPDATE;
    SELECT ended_at IS NULL INTO is_open FROM venue_orders WHERE client_id = NEW.client_id;
    UPDATE lots SET sold_sat = sold_sat + NEW.amount_sat,
        open_sat = open_sat - CASE WHEN is_open THEN NEW.amount_sat ELSE 0 END
    WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)
        AND state NOT IN ('settled', 'written_off');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lot %:% is closed', NEW.block_hash, NEW.vout
            USING ERRCODE = 'check_violation';
    END IF;
    UPDATE venue_orders SET filled_sat = filled_sat + NEW.amount_sat
    WHERE client_id = NEW.client_id;
    RETURN NULL;
END $$;
CREATE TRIGGER apply_fill AFTER INSERT ON fills
    FOR EACH ROW EXECUTE FUNCTION apply_fill();
"""

GRANTS = """
GRANT SELECT ON venue_orders, fills TO kench_sell, kench_read, kench_settle;
GRANT INSERT ON venue_orders, fills TO kench_sell;
GRANT UPDATE (state, venue_order_id, reason, ended_at) ON venue_orders TO kench_sell;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_taken_back BEFORE DELETE OR TRUNCATE ON venue_orders
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    """Make the tables of trades."""
    for statements in (TRADES, GUARD_TRADES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
