"""How forming income and handing it over fare, in one row each, for status and metrics.

Settlement writes down what came of each turn; days that are late are reckoned by the database's own
clock, so that they are told also while settlement is down.
"""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

FORMING = """
CREATE TABLE income_forming (
    is_one        boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    -- The last day up to which nothing is lacking; null before the first turn.
    formed_until  date,
    formed_at     timestamptz,
    -- Formed in all, and in how many seconds those of the last turn.
    records       bigint NOT NULL DEFAULT 0 CHECK (records >= 0),
    took_s        float8 NOT NULL DEFAULT 0,
    failures      bigint NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failing_since timestamptz,
    fault         text CHECK (char_length(fault) <= 500),
    CHECK ((failing_since IS NULL) = (fault IS NULL))
);
INSERT INTO income_forming DEFAULT VALUES;
GRANT SELECT, UPDATE ON income_forming TO kench_settle;
GRANT SELECT ON income_forming TO kench_read;
"""

# An hour after midnight yesterday should be there: it takes five minutes, and a minute of work.
PROGRESS = """
CREATE VIEW income_progress AS
    SELECT formed_until, records, took_s, failures, fault, missing_day,
        CASE WHEN missing_day IS NULL THEN 0 ELSE over - missing_day + 1 END AS late_days,
        pushes.waiting AS pushes_waiting,
        coalesce(extract(epoch FROM now() - pushes.oldest), 0)::float8 AS pushes_waiting_s,
        (SELECT count(*) FROM income_pushes WHERE state = 'failed') AS pushes_failed,
        (SELECT count(*) FROM income_rejection_queue) AS rejected
    FROM income_forming,
        LATERAL (SELECT CAST((now() - interval '1 hour') AT TIME ZONE INTERVAL '6 hours' AS date)
            - 1 AS over) AS days,
        LATERAL (SELECT CASE WHEN next <= over THEN next END AS missing_day
            FROM (SELECT coalesce(formed_until + 1,
                CAST(failing_since AT TIME ZONE INTERVAL '6 hours' AS date) - 1) AS next) AS due
        ) AS missing,
        (SELECT count(*) AS waiting, min(queued_at) AS oldest
         FROM income_pushes WHERE state = 'waiting') AS pushes;
GRANT SELECT ON income_progress TO kench_stratum, kench_read;
"""


def upgrade() -> None:
    """Make the row, and what is told of it."""
    op.execute(FORMING)
    op.execute(PROGRESS)


def downgrade() -> None:
    """Drop both: the next turn of settlement finds out again."""
    op.execute("DROP VIEW income_progress")
    op.execute("DROP TABLE income_forming")
