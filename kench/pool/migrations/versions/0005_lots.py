"""Lots on their way to sale: shares, states, decisions about them; role kench_sell.

Rules that the database itself holds, whoever writes:
  - a lot is of a mature block; its shares sum to its satoshi, at commit;
  - a lot moves only in the ways of `lot_ways`, each move one version and one row of `lot_events`;
    what officers decide needs their resolution on that very version;
  - sold, on offer and left over are never more than the lot (`lots_never_oversold`); these sums are
    kept by triggers alone;
  - nothing but states is ever changed, nothing taken back.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kench_sell') THEN
        BEGIN
            CREATE ROLE kench_sell NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO kench_sell;
GRANT SELECT ON alembic_version TO kench_sell;
"""

WAYS = """
CREATE TABLE lot_ways (
    came_from text,
    goes_to text,
    actor text NOT NULL CHECK (actor IN ('kench', 'officers')),
    PRIMARY KEY (came_from, goes_to)
);
INSERT INTO lot_ways SELECT came_from, unnest(ends), actor FROM (VALUES
    ('awaiting_deposit', 'kench', '{screening,deposit_missing,short_credit}'::text[]),
    ('awaiting_deposit', 'kench', '{orphaned,licence_lapsed,delisted}'),
    ('deposit_missing', 'kench', '{awaiting_deposit,orphaned}'),
    ('short_credit', 'kench', '{awaiting_deposit,orphaned}'),
    ('screening', 'kench', '{cleared,held,refused,orphaned}'),
    ('held', 'kench', '{screening,orphaned}'),
    ('held', 'officers', '{cleared,written_off,sold}'),
    ('refused', 'officers', '{cleared,written_off,sold}'),
    ('cleared', 'kench', '{selling,orphaned,licence_lapsed,delisted}'),
    ('selling', 'kench', '{halted,sold,venue_disagrees,orphaned,licence_lapsed,delisted}'),
    ('halted', 'officers', '{selling,written_off,sold}'),
    ('venue_disagrees', 'officers', '{selling,written_off,sold}'),
    ('sold', 'kench', '{settled}'),
    ('refused', 'kench', '{orphaned}'),
    ('halted', 'kench', '{orphaned}'),
    ('licence_lapsed', 'kench', '{orphaned,awaiting_deposit,cleared,selling}'),
    ('delisted', 'kench', '{orphaned,awaiting_deposit,cleared,selling}'),
    ('venue_disagrees', 'kench', '{orphaned}'),
    ('orphaned', 'kench', '{awaiting_deposit,screening}'),
    ('deposit_missing', 'officers', '{written_off,sold}'),
    ('short_credit', 'officers', '{written_off,sold}'),
    ('orphaned', 'officers', '{written_off,sold}'),
    ('delisted', 'officers', '{written_off,sold}'),
    ('licence_lapsed', 'officers', '{written_off,sold}')
) AS ways (came_from, actor, ends);
"""

LOTS = """
CREATE TABLE lots (
    block_hash text REFERENCES blocks,
    vout integer CHECK (vout >= 0),
    coinbase_txid text NOT NULL CHECK (coinbase_txid ~ '^[0-9a-f]{64}$'),
    height integer NOT NULL CHECK (height > 0),
    venue text NOT NULL,
    address text NOT NULL,
    -- What the chain pays; what it takes along of earlier lots of its venue; both.
    output_sat bigint NOT NULL CHECK (output_sat > 0),
    carried_sat bigint NOT NULL DEFAULT 0 CHECK (carried_sat >= 0),
    amount_sat bigint NOT NULL,
    -- The order of the authorised body that named venue and address.
    venues_order integer NOT NULL,
    made_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'awaiting_deposit',
    reason text NOT NULL DEFAULT '',
    who text NOT NULL DEFAULT 'kench sell',
    -- The order of the authorised body that the last move followed, where it followed one.
    order_number integer,
    version integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    credited_at timestamptz,
    -- Kept by triggers as orders, fills and remainders are written.
    sold_sat bigint NOT NULL DEFAULT 0 CHECK (sold_sat >= 0),
    open_sat bigint NOT NULL DEFAULT 0 CHECK (open_sat >= 0),
    left_sat bigint NOT NULL DEFAULT 0 CHECK (left_sat >= 0),
    PRIMARY KEY (block_hash, vout),
    UNIQUE (coinbase_txid, vout),
    CHECK (amount_sat = output_sat + carried_sat),
    CONSTRAINT lots_never_oversold CHECK (sold_sat + open_sat + left_sat <= amount_sat)
);
CREATE INDEX lots_state ON lots (state, height);
CREATE TABLE lot_shares (
    block_hash text,
    vout integer,
    participant_id bigint CHECK (participant_id >= 0),
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    PRIMARY KEY (block_hash, vout, participant_id),
    FOREIGN KEY (block_hash, vout) REFERENCES lots
);
CREATE TABLE lot_events (
    block_hash text,
    vout integer,
    version integer,
    came_from text,
    goes_to text NOT NULL,
    at timestamptz NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    order_number integer,
    PRIMARY KEY (block_hash, vout, version),
    FOREIGN KEY (block_hash, vout) REFERENCES lots
);
CREATE INDEX lot_events_at ON lot_events (at);
-- Satoshi of a lot that were not sold in it, by participant.
CREATE TABLE lot_remainders (
    block_hash text,
    vout integer,
    participant_id bigint,
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    -- carried: the next lot of the venue takes them along; written_off: officers decided so.
    kind text NOT NULL CHECK (kind IN ('carried', 'written_off')),
    PRIMARY KEY (block_hash, vout, participant_id),
    FOREIGN KEY (block_hash, vout, participant_id) REFERENCES lot_shares
);
-- Which lot took the remainder of which along; each once.
CREATE TABLE lot_carries (
    block_hash text,
    vout integer,
    to_block_hash text NOT NULL,
    to_vout integer NOT NULL,
    PRIMARY KEY (block_hash, vout),
    FOREIGN KEY (block_hash, vout) REFERENCES lots,
    FOREIGN KEY (to_block_hash, to_vout) REFERENCES lots,
    CHECK ((block_hash, vout) <> (to_block_hash, to_vout))
);
-- Satoshi that each participant has in what was sold of a lot: what settlement pays by.
CREATE VIEW lot_sold_shares AS
    SELECT block_hash, vout, participant_id,
        lot_shares.amount_sat - coalesce(lot_remainders.amount_sat, 0) AS amount_sat
    FROM lot_shares LEFT JOIN lot_remainders USING (block_hash, vout, participant_id);
"""

RECORDS = """
CREATE TABLE lot_deposits (
    block_hash text,
    vout integer,
    state text NOT NULL CHECK (state IN ('seen', 'credited', 'rejected')),
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    credited_at timestamptz,
    told_at timestamptz NOT NULL,
    raw text NOT NULL,
    PRIMARY KEY (block_hash, vout, state, amount_sat),
    FOREIGN KEY (block_hash, vout) REFERENCES lots
);
CREATE TABLE screenings (
    block_hash text,
    vout integer,
    attempt integer CHECK (attempt > 0),
    check_id text,
    provider text NOT NULL,
    provider_ref text,
    score_bp bigint,
    level text,
    decision text NOT NULL,
    reason text NOT NULL,
    raw text,
    raw_sha256 bytea,
    refuse_over_bp integer,
    officer_over_bp integer,
    order_number integer,
    at timestamptz NOT NULL,
    PRIMARY KEY (block_hash, vout, attempt),
    FOREIGN KEY (block_hash, vout) REFERENCES lots,
    -- Only a score that is there, of an answer that is kept, clears.
    CHECK (decision <> 'clear' OR (score_bp IS NOT NULL AND raw_sha256 IS NOT NULL
                                   AND score_bp <= refuse_over_bp AND order_number IS NOT NULL))
);
CREATE TABLE sale_halts (
    block_hash text,
    vout integer,
    version integer,
    reason text NOT NULL,
    order_number integer,
    at timestamptz NOT NULL,
    PRIMARY KEY (block_hash, vout, version),
    FOREIGN KEY (block_hash, vout) REFERENCES lots
);
-- What two officers signed about a lot: it moves the version that it names and no other.
CREATE TABLE lot_resolutions (
    block_hash text,
    vout integer,
    version integer CHECK (version > 0),
    act text NOT NULL CHECK (act IN ('release', 'resume', 'write-off')),
    document bytea NOT NULL,
    signature_1 bytea NOT NULL,
    signature_2 bytea NOT NULL,
    pin_1 text NOT NULL,
    pin_2 text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (block_hash, vout, version),
    FOREIGN KEY (block_hash, vout) REFERENCES lots,
    CHECK (pin_1 <> pin_2)
);
CREATE TABLE licence_warnings (
    venue text,
    number text,
    until date,
    days integer,
    at timestamptz NOT NULL,
    PRIMARY KEY (venue, number, until, days)
);
CREATE TABLE reconciliations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue text NOT NULL,
    at timestamptz NOT NULL,
    differences text[] NOT NULL,
    raw text NOT NULL
);
CREATE INDEX reconciliations_venue ON reconciliations (venue, at);
"""

GUARD_LOT = """
CREATE FUNCTION guard_lot() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    taken_by text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.state, NEW.version, NEW.sold_sat, NEW.open_sat, NEW.left_sat)
            <> ('awaiting_deposit', 1, 0, 0, 0) OR NEW.credited_at IS NOT NULL THEN
            RAISE EXCEPTION 'a lot begins as one that waits for its deposit'
                USING ERRCODE = 'check_violation';
        ELSIF NOT EXISTS (SELECT FROM blocks WHERE hash = NEW.block_hash AND state = 'mature'
                          AND height = NEW.height) THEN
            RAISE EXCEPTION 'block % is not mature: it has no lots', NEW.block_hash
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.block_hash, NEW.vout, NEW.coinbase_txid, NEW.height, NEW.venue, NEW.address,
        NEW.output_sat, NEW.carried_sat, NEW.amount_sat, NEW.venues_order, NEW.made_at)
        <> (OLD.block_hash, OLD.vout, OLD.coinbase_txid, OLD.height, OLD.venue, OLD.address,
            OLD.output_sat, OLD.carried_sat, OLD.amount_sat, OLD.venues_order, OLD.made_at)
        OR OLD.credited_at <> coalesce(NEW.credited_at, '-infinity') THEN
        RAISE EXCEPTION 'what a lot is never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = OLD.state THEN
        IF (NEW.version, NEW.reason, NEW.who, NEW.changed_at)
            <> (OLD.version, OLD.reason, OLD.who, OLD.changed_at)
            OR NEW.order_number IS DISTINCT FROM OLD.order_number
            OR NEW.credited_at IS DISTINCT FROM OLD.credited_at
            OR (NEW.sold_sat, NEW.open_sat, NEW.left_sat)
             = (OLD.sold_sat, OLD.open_sat, OLD.left_sat) THEN
            RAISE EXCEPTION 'only a move changes a lot' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    SELECT actor INTO taken_by FROM lot_ways
    WHERE (came_from, goes_to) = (OLD.state, NEW.state);
    IF taken_by IS NULL OR NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'there is no way from % version % to % version %',
            OLD.state, OLD.version, NEW.state, NEW.version USING ERRCODE = 'check_violation';
    ELSIF taken_by = 'officers' AND NOT EXISTS (
        SELECT FROM lot_resolutions WHERE (block_hash, vout, version)
            = (OLD.block_hash, OLD.vout, OLD.version)
        AND act = CASE NEW.state WHEN 'cleared' THEN 'release' WHEN 'selling' THEN 'resume'
            ELSE 'write-off' END
    ) THEN
        RAISE EXCEPTION 'from % to % a lot is moved by two officers', OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    ELSIF NEW.state IN ('sold', 'written_off')
        AND (NEW.open_sat <> 0 OR NEW.sold_sat + NEW.left_sat <> NEW.amount_sat
             OR (NEW.sold_sat <> 0 AND NEW.state = 'written_off')) THEN
        RAISE EXCEPTION 'a lot is % with % of % sat sold, % left over, % on offer',
            NEW.state, NEW.sold_sat, NEW.amount_sat, NEW.left_sat, NEW.open_sat
            USING ERRCODE = 'check_violation';
    ELSIF NEW.state IN ('screening', 'selling') AND NEW.credited_at IS NULL THEN
        RAISE EXCEPTION 'a lot without its deposit is not %', NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_lot BEFORE INSERT OR UPDATE ON lots
    FOR EACH ROW EXECUTE FUNCTION guard_lot();
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state THEN
        INSERT INTO lot_events VALUES (NEW.block_hash, NEW.vout, NEW.version,
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.changed_at, NEW.who,
            NEW.reason, NEW.order_number);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_move AFTER INSERT OR UPDATE ON lots
    FOR EACH ROW EXECUTE FUNCTION note_move();
"""

GUARD_SHARES = """
CREATE FUNCTION check_shares() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    lot lots%ROWTYPE;
BEGIN
    SELECT * INTO lot FROM lots WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout);
    IF lot.amount_sat <> (SELECT coalesce(sum(amount_sat), 0) FROM lot_shares
                          WHERE (block_hash, vout) = (lot.block_hash, lot.vout)) THEN
        RAISE EXCEPTION 'the shares of lot %:% do not sum to it', lot.block_hash, lot.vout
            USING ERRCODE = 'check_violation';
    ELSIF lot.carried_sat <> (
        SELECT coalesce(sum(lot_remainders.amount_sat), 0)
        FROM lot_carries JOIN lot_remainders USING (block_hash, vout)
        WHERE (to_block_hash, to_vout) = (lot.block_hash, lot.vout) AND kind = 'carried'
    ) THEN
        RAISE EXCEPTION 'lot %:% takes along what no lot left', lot.block_hash, lot.vout
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_shares AFTER INSERT ON lots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_shares();
CREATE FUNCTION refuse_late_share() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- The check at commit is queued by the lot's own row: both come in one transaction.
    IF EXISTS (SELECT FROM added_rows JOIN lots USING (block_hash, vout)
               WHERE version <> 1 OR pg_current_xact_id()::xid <> lots.xmin) THEN
        RAISE EXCEPTION 'the shares of a lot are written with it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER with_its_lot AFTER INSERT ON lot_shares REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_share();
CREATE FUNCTION refuse_late_carry() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM lots WHERE (block_hash, vout) = (NEW.to_block_hash, NEW.to_vout)
               AND (version <> 1 OR pg_current_xact_id()::xid <> xmin)) THEN
        RAISE EXCEPTION 'a lot takes remainders along when it is made'
            USING ERRCODE = 'restrict_violation';
    ELSIF NOT EXISTS (
        SELECT FROM lots AS giver JOIN lots AS taker USING (venue)
        WHERE (giver.block_hash, giver.vout) = (NEW.block_hash, NEW.vout)
        AND (taker.block_hash, taker.vout) = (NEW.to_block_hash, NEW.to_vout)
        AND giver.state IN ('sold', 'settled')
    ) THEN
        RAISE EXCEPTION 'a remainder goes to a lot of the same venue'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER with_its_lot AFTER INSERT ON lot_carries
    FOR EACH ROW EXECUTE FUNCTION refuse_late_carry();
CREATE FUNCTION apply_remainder() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE lots SET left_sat = left_sat + NEW.amount_sat
    WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)
        AND version > 1 AND state NOT IN ('sold', 'settled', 'written_off');
    IF NOT FOUND OR NEW.amount_sat > (
        SELECT amount_sat FROM lot_shares WHERE (block_hash, vout, participant_id)
            = (NEW.block_hash, NEW.vout, NEW.participant_id)
    ) THEN
        RAISE EXCEPTION 'no participant leaves more of a lot than it has there'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER apply_remainder AFTER INSERT ON lot_remainders
    FOR EACH ROW EXECUTE FUNCTION apply_remainder();
"""

APPEND_ONLY = (
    "lot_ways",
    "lot_shares",
    "lot_events",
    "lot_remainders",
    "lot_carries",
    "lot_deposits",
    "screenings",
    "sale_halts",
    "lot_resolutions",
    "licence_warnings",
    "reconciliations",
)
WRITTEN = ", ".join(name for name in APPEND_ONLY if name not in {"lot_ways", "lot_events"})
SEEN = f"lots, lot_sold_shares, {', '.join(APPEND_ONLY)}"

GRANTS = f"""
GRANT SELECT ON {SEEN} TO kench_sell, kench_read, kench_settle;
GRANT SELECT ON blocks, block_credits TO kench_sell;
GRANT INSERT ON lots, {WRITTEN} TO kench_sell;
GRANT UPDATE (state, reason, who, order_number, version, changed_at, credited_at) ON lots
    TO kench_sell;
"""


def upgrade() -> None:
    """Make the tables of lots."""
    for statements in (ROLE, WAYS, LOTS, RECORDS, GUARD_LOT, GUARD_SHARES):
        op.execute(statements)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE TRIGGER never_taken_back BEFORE DELETE OR TRUNCATE ON lots "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
