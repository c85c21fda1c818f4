"""Why a lot stands still now: the one table of the sale that is not kept, only true at the moment.

Rules that the database itself holds, whoever writes:
  - a lot that moves, or of which something is sold, waits no more.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WAITS = """
CREATE TABLE lot_waits (
    block_hash text,
    vout integer,
    why text NOT NULL,
    words text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (block_hash, vout),
    FOREIGN KEY (block_hash, vout) REFERENCES lots
);
CREATE FUNCTION end_wait() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM lot_waits WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout);
    RETURN NULL;
END $$;
CREATE TRIGGER end_wait AFTER UPDATE ON lots FOR EACH ROW
    WHEN (NEW.version <> OLD.version OR NEW.sold_sat <> OLD.sold_sat)
    EXECUTE FUNCTION end_wait();
GRANT SELECT, INSERT, DELETE, UPDATE (why, words, since) ON lot_waits TO kench_sell;
GRANT SELECT ON lot_waits TO kench_read;
"""


def upgrade() -> None:
    """Make the table of waits."""
    op.execute(WAITS)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")
