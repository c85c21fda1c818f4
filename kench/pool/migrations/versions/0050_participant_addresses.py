"""From which addresses participants mine, by day of UTC: few, for a while, for inspections.

What is older than is kept is forgotten by a function of the tables' owner: its caller can forget
nothing that is in use.
"""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE participant_addresses (
    participant_id integer CHECK (participant_id > 0),
    day date,
    -- IPv4 whole, IPv6 by its /64, as their networks are spelled.
    addresses text[] NOT NULL CHECK (cardinality(addresses) BETWEEN 1 AND 16
        AND addresses::cidr[] IS NOT NULL),
    -- Whether it had others beside.
    more boolean NOT NULL DEFAULT false,
    PRIMARY KEY (participant_id, day)
);
CREATE INDEX participant_addresses_day ON participant_addresses (day);
CREATE INDEX participant_addresses_addresses ON participant_addresses USING gin (addresses);
CREATE FUNCTION forget_participant_addresses(kept_d integer) RETURNS bigint LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM participant_addresses
        WHERE day < (now() AT TIME ZONE 'UTC')::date - greatest(kept_d, 31) RETURNING 1
    ) SELECT count(*) FROM gone;
END;
REVOKE ALL ON FUNCTION forget_participant_addresses(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_participant_addresses(integer) TO kench_stratum;
GRANT SELECT, INSERT, UPDATE ON participant_addresses TO kench_stratum;
GRANT SELECT ON participant_addresses TO kench_cabinet;
"""


def upgrade() -> None:
    """Make the table, and what forgets."""
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back before participants' addresses")
