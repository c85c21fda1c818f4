"""Statistics of whole participants, how long workers ran, and groups of workers.

A participant of 20,000 workers has three million rows of ten minutes in a day: its charts read
sums. `up` counts the ten minutes with an accepted share: a worker's, or those of all its workers.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE worker_hours ADD COLUMN up integer NOT NULL DEFAULT 0 CHECK (up >= 0);
ALTER TABLE worker_days ADD COLUMN up integer NOT NULL DEFAULT 0 CHECK (up >= 0);
"""

# The same shape as those of workers, without the worker.
HISTORY = """
CREATE TABLE {level} (
    participant_id integer,
    bucket_at timestamptz,
    accepted bigint NOT NULL DEFAULT 0,
    stale bigint NOT NULL DEFAULT 0,
    low_difficulty bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    other bigint NOT NULL DEFAULT 0,
    work_hashes numeric(78, 0) NOT NULL DEFAULT 0,
    up bigint NOT NULL DEFAULT 0 CHECK (up >= 0),
    PRIMARY KEY (participant_id, bucket_at)
) PARTITION BY RANGE (bucket_at);
CREATE INDEX ON {level} USING brin (bucket_at) WITH (pages_per_range = 16, autosummarize = on);
GRANT SELECT, INSERT, UPDATE ON {level} TO kench_stratum;
GRANT SELECT ON {level} TO kench_settle, kench_read, kench_cabinet;
"""
LEVELS = ("participant_ten_minutes", "participant_hours", "participant_days")

# As before, for twice as many levels.
PARTITIONS = """
CREATE OR REPLACE FUNCTION make_statistics_partitions() RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    level text;
    month timestamptz;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(x'6b656e6368737461'::bigint);
    FOREACH level IN ARRAY ARRAY['worker_ten_minutes', 'worker_hours', 'worker_days',
        'participant_ten_minutes', 'participant_hours', 'participant_days']
    LOOP
        FOR ahead IN -1..2 LOOP
            month := date_trunc('month', now()) + make_interval(months => ahead);
            name := level || to_char(month, '_YYYY_MM');
            IF to_regclass('public.' || name) IS NULL THEN
                EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I'
                    ' FOR VALUES FROM (%L) TO (%L)',
                    name, level, month, month + interval '1 month');
            END IF;
        END LOOP;
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION drop_statistics_partitions(
    ten_minutes_d integer, hours_d integer, days_d integer)
RETURNS SETOF text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    old record;
BEGIN
    PERFORM pg_advisory_xact_lock(x'6b656e6368737461'::bigint);
    FOR old IN
        SELECT part.relname AS name
        FROM (VALUES ('ten_minutes', greatest(ten_minutes_d, 32)),
                     ('hours', greatest(hours_d, 62)),
                     ('days', greatest(days_d, 366))) AS kept (span, days)
        CROSS JOIN (VALUES ('worker'), ('participant')) AS owners (owner)
        JOIN pg_inherits ON inhparent = ('public.' || owner || '_' || span)::regclass
        JOIN pg_class AS part ON part.oid = inhrelid
        WHERE to_timestamp(right(part.relname, 7), 'YYYY_MM') + interval '1 month'
            <= now() - make_interval(days => days)
        ORDER BY name
    LOOP
        EXECUTE format('DROP TABLE public.%I', old.name);
        RETURN NEXT old.name;
    END LOOP;
END $$;
SELECT make_statistics_partitions();
-- Months that workers have and the function does not make any more.
DO $$
DECLARE
    old record;
    month timestamptz;
BEGIN
    SET LOCAL timezone = 'UTC';
    FOR old IN
        SELECT replace(parent.relname, 'worker', 'participant') AS level,
            right(part.relname, 7) AS month
        FROM pg_class AS parent JOIN pg_inherits ON inhparent = parent.oid
        JOIN pg_class AS part ON part.oid = inhrelid
        WHERE parent.relname IN ('worker_ten_minutes', 'worker_hours', 'worker_days')
    LOOP
        IF to_regclass('public.' || old.level || '_' || old.month) IS NULL THEN
            month := to_timestamp(old.month, 'YYYY_MM');
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I'
                ' FOR VALUES FROM (%L) TO (%L)', old.level || '_' || old.month, old.level,
                month, month + interval '1 month');
        END IF;
    END LOOP;
END $$;
"""

# What was counted before, summed once; ten minutes before their hour is over are summed by the
# program, from `done_before` on.
BEFORE = """
UPDATE worker_hours AS hours SET up = counted.up
FROM (
    SELECT participant_id, worker_id, date_trunc('hour', bucket_at, 'UTC') AS hour_at,
        count(*) FILTER (WHERE accepted > 0) AS up
    FROM worker_ten_minutes GROUP BY 1, 2, 3
) AS counted
WHERE (hours.participant_id, hours.worker_id, hours.bucket_at)
    = (counted.participant_id, counted.worker_id, counted.hour_at);
UPDATE worker_days AS days SET up = counted.up
FROM (
    SELECT participant_id, worker_id, date_trunc('day', bucket_at, 'UTC') AS day_at, sum(up) AS up
    FROM worker_hours GROUP BY 1, 2, 3
) AS counted
WHERE (days.participant_id, days.worker_id, days.bucket_at)
    = (counted.participant_id, counted.worker_id, counted.day_at);
INSERT INTO participant_ten_minutes
    SELECT participant_id, bucket_at, sum(accepted), sum(stale), sum(low_difficulty),
        sum(duplicate), sum(other), sum(work_hashes), count(*) FILTER (WHERE accepted > 0)
    FROM worker_ten_minutes
    WHERE bucket_at < (SELECT done_before FROM statistics_rollups WHERE level = 'worker_hours')
    GROUP BY participant_id, bucket_at;
INSERT INTO participant_hours
    SELECT participant_id, bucket_at, sum(accepted), sum(stale), sum(low_difficulty),
        sum(duplicate), sum(other), sum(work_hashes), sum(up)
    FROM worker_hours GROUP BY participant_id, bucket_at;
INSERT INTO participant_days
    SELECT participant_id, bucket_at, sum(accepted), sum(stale), sum(low_difficulty),
        sum(duplicate), sum(other), sum(work_hashes), sum(up)
    FROM worker_days GROUP BY participant_id, bucket_at;
INSERT INTO statistics_rollups
    SELECT added.level, done_before FROM statistics_rollups AS summed JOIN (VALUES
        ('participant_ten_minutes', 'worker_hours'), ('participant_hours', 'worker_hours'),
        ('participant_days', 'worker_days')) AS added (level, finer)
        ON summed.level = added.finer;
"""

GROUPS = """
CREATE TABLE worker_groups (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    name           text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
    UNIQUE (participant_id, name),
    UNIQUE (id, participant_id)
);
-- A worker is in one group or in none.
CREATE TABLE worker_group_members (
    worker_id      integer PRIMARY KEY REFERENCES workers,
    participant_id integer NOT NULL,
    group_id       integer NOT NULL,
    FOREIGN KEY (group_id, participant_id) REFERENCES worker_groups (id, participant_id)
        ON DELETE CASCADE
);
CREATE INDEX worker_group_members_of_group ON worker_group_members (group_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON worker_groups, worker_group_members TO kench_cabinet;
GRANT SELECT ON worker_groups, worker_group_members TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, sum what there is, and go on from there."""
    levels = tuple(HISTORY.format(level=level) for level in LEVELS)
    for statements in (UP, *levels, PARTITIONS, BEFORE, GROUPS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: only restoring a backup goes back."""
    raise NotImplementedError("restore a backup to go back before participants' statistics")
