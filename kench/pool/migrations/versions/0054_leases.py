"""Leases: which process of several does a work, and the check that a stale one commits nothing.

A transaction of a holder begins with `hold_lease`, which keeps a shared lock to its end; whoever
takes the lease over raises the epoch under the exclusive one. So what an older holder has begun is
at its end by then, or was ended, and what it begins later is refused.

Tables of the books that one process alone may write ask for it besides: a transaction of that
process's role that did not begin so is refused, from the first time that the lease was taken.
"""

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE leases (
    number     smallint PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    role       name NOT NULL,
    epoch      bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    beat       bigint NOT NULL DEFAULT 0,
    holder     text CHECK (char_length(holder) BETWEEN 1 AND 300),
    taken_at   timestamptz,
    renewed_at timestamptz
);
INSERT INTO leases (number, name, role) VALUES
    (1, 'settle', 'kench_settle'), (2, 'sell', 'kench_sell'),
    (3, 'alerts', 'kench_cabinet'), (4, 'pushes', 'kench_tax');
ALTER TABLE leases ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON leases FOR SELECT USING (true);
CREATE POLICY own ON leases FOR UPDATE USING (role = current_user);
"""

# 0x6C656173 is "leas": `kench.pool.lease` has the same number.
RULES = """
CREATE FUNCTION hold_lease(wanted integer, held bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(x'6c656173'::integer, wanted);
    IF NOT EXISTS (SELECT FROM leases WHERE number = wanted AND epoch = held) THEN
        RETURN false;
    END IF;
    PERFORM set_config('kench.lease_' || wanted, held::text, true);
    RETURN true;
END $$;

CREATE FUNCTION require_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM leases WHERE name = TG_ARGV[0] AND role = current_user AND epoch > 0
        AND epoch::text IS DISTINCT FROM current_setting('kench.lease_' || number, true))
    THEN
        RAISE EXCEPTION 'the lease "%" is not held by this transaction', TG_ARGV[0]
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER require_lease BEFORE UPDATE ON journal_positions
    FOR EACH STATEMENT EXECUTE FUNCTION require_lease('settle');
CREATE TRIGGER require_lease BEFORE UPDATE ON blocks
    FOR EACH STATEMENT EXECUTE FUNCTION require_lease('settle');
CREATE TRIGGER require_lease BEFORE INSERT OR UPDATE ON venue_orders
    FOR EACH STATEMENT EXECUTE FUNCTION require_lease('sell');
CREATE TRIGGER require_lease BEFORE INSERT ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION require_lease('sell');
"""

GRANTS = """
GRANT SELECT ON leases TO kench_settle, kench_sell, kench_cabinet, kench_tax, kench_read;
GRANT UPDATE (epoch, beat, holder, taken_at, renewed_at) ON leases
    TO kench_settle, kench_sell, kench_cabinet, kench_tax;
"""


def upgrade() -> None:
    """Make the table, the rules, and grant."""
    for statements in (TABLES, RULES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Take it all away."""
    op.execute("""
        DROP FUNCTION require_lease() CASCADE;
        DROP FUNCTION hold_lease(integer, bigint);
        DROP TABLE leases;
    """)
