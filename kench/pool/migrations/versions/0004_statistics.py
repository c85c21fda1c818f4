"""Statistics: live numbers of each worker, their history in monthly partitions, user agents."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What was counted before has no user agent.
REFUSALS = """
ALTER TABLE refusals
    ADD COLUMN user_agent text NOT NULL DEFAULT '' CHECK (char_length(user_agent) <= 128),
    DROP CONSTRAINT refusals_pkey,
    ADD PRIMARY KEY (participant_id, worker_id, reason, user_agent);
"""

# Written anew every few seconds from what is in memory, so it need not survive a crash.
LIVE = """
CREATE UNLOGGED TABLE worker_live (
    participant_id integer,
    worker_id integer,
    -- Who wrote it: the first front number of a machine.
    source integer,
    hashrate_1m double precision NOT NULL,
    hashrate_10m double precision NOT NULL,
    hashrate_1h double precision NOT NULL,
    hashrate_24h double precision NOT NULL,
    -- Of the last 24 hours.
    accepted bigint NOT NULL,
    stale bigint NOT NULL,
    low_difficulty bigint NOT NULL,
    duplicate bigint NOT NULL,
    other bigint NOT NULL,
    last_share_at timestamptz NOT NULL,
    sessions integer NOT NULL,
    -- Since when its oldest session of now has run.
    session_since timestamptz NOT NULL,
    difficulty double precision NOT NULL,
    user_agent text NOT NULL,
    PRIMARY KEY (participant_id, worker_id, source)
-- Each page has room for the next version of its rows: an update touches no index and leaves
-- nothing for vacuum.
) WITH (fillfactor = 45);
CREATE TABLE pool_live (
    source integer PRIMARY KEY,
    written_at timestamptz NOT NULL,
    workers integer NOT NULL,
    sessions integer NOT NULL,
    hashrate_1m double precision NOT NULL,
    hashrate_10m double precision NOT NULL,
    hashrate_1h double precision NOT NULL,
    hashrate_24h double precision NOT NULL,
    -- Shares a second over the last minute.
    accepted_per_s double precision NOT NULL,
    stale_per_s double precision NOT NULL,
    low_difficulty_per_s double precision NOT NULL,
    duplicate_per_s double precision NOT NULL,
    other_per_s double precision NOT NULL
);
-- What people read: one row a worker, whichever machines it is on. A machine that has not written
-- for a minute does not run.
CREATE VIEW worker_statistics AS
SELECT live.participant_id, live.worker_id, workers.name,
    sum(hashrate_1m * fresh) AS hashrate_1m, sum(hashrate_10m * fresh) AS hashrate_10m,
    sum(hashrate_1h * fresh) AS hashrate_1h, sum(hashrate_24h * fresh) AS hashrate_24h,
    sum(accepted)::bigint AS accepted, sum(stale)::bigint AS stale,
    sum(low_difficulty)::bigint AS low_difficulty, sum(duplicate)::bigint AS duplicate,
    sum(other)::bigint AS other,
    nullif(max(last_share_at), '-infinity') AS last_share_at,
    sum(live.sessions * fresh)::bigint AS sessions,
    min(CASE WHEN fresh = 1 AND isfinite(session_since) THEN session_since END) AS session_since,
    max(difficulty * fresh) AS difficulty,
    max(user_agent) AS user_agent
FROM worker_live AS live
JOIN (SELECT source, (written_at > now() - interval '1 minute')::integer AS fresh FROM pool_live)
    AS sources USING (source)
LEFT JOIN workers ON workers.id = live.worker_id
GROUP BY live.participant_id, live.worker_id, workers.name;
"""

# One shape for all three levels; partitions are tables `<level>_YYYY_MM` by UTC months.
HISTORY = """
CREATE TABLE {level} (
    participant_id integer,
    worker_id integer,
    bucket_at timestamptz,
    accepted bigint NOT NULL DEFAULT 0,
    stale bigint NOT NULL DEFAULT 0,
    low_difficulty bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    other bigint NOT NULL DEFAULT 0,
    work_hashes numeric(78, 0) NOT NULL DEFAULT 0,
    PRIMARY KEY (participant_id, worker_id, bucket_at)
) PARTITION BY RANGE (bucket_at);
-- Rows come in the order of time, so this tiny index finds all workers of an hour.
CREATE INDEX ON {level} USING brin (bucket_at) WITH (pages_per_range = 16, autosummarize = on);
"""
LEVELS = ("worker_ten_minutes", "worker_hours", "worker_days")

PROGRESS = """
-- Up to where each journal is in `worker_ten_minutes`.
CREATE TABLE statistics_positions (
    instance integer PRIMARY KEY,
    next_sequence bigint NOT NULL CHECK (next_sequence >= 0)
);
-- Before when a level holds the sums of the finer one.
CREATE TABLE statistics_rollups (
    level text PRIMARY KEY,
    done_before timestamptz NOT NULL
);
INSERT INTO statistics_rollups VALUES
    ('worker_hours', date_trunc('hour', now(), 'UTC')),
    ('worker_days', date_trunc('day', now(), 'UTC'));
"""

# The program makes and drops partitions by these two alone; it owns no table.
PARTITIONS = """
CREATE FUNCTION make_statistics_partitions() RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    level text;
    month timestamptz;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(x'6b656e6368737461'::bigint);
    FOREACH level IN ARRAY ARRAY['worker_ten_minutes', 'worker_hours', 'worker_days'] LOOP
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
-- Drops months that ended before the time to keep; shorter times than these are not taken.
CREATE FUNCTION drop_statistics_partitions(ten_minutes_d integer, hours_d integer, days_d integer)
RETURNS SETOF text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    old record;
BEGIN
    PERFORM pg_advisory_xact_lock(x'6b656e6368737461'::bigint);
    FOR old IN
        SELECT part.relname AS name
        FROM (VALUES ('worker_ten_minutes', greatest(ten_minutes_d, 32)),
                     ('worker_hours', greatest(hours_d, 62)),
                     ('worker_days', greatest(days_d, 366))) AS kept (level, days)
        JOIN pg_inherits ON inhparent = ('public.' || level)::regclass
        JOIN pg_class AS part ON part.oid = inhrelid
        WHERE to_timestamp(right(part.relname, 7), 'YYYY_MM') + interval '1 month'
            <= now() - make_interval(days => days)
        ORDER BY name
    LOOP
        EXECUTE format('DROP TABLE public.%I', old.name);
        RETURN NEXT old.name;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION make_statistics_partitions(),
    drop_statistics_partitions(integer, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_statistics_partitions(),
    drop_statistics_partitions(integer, integer, integer) TO kench_stratum;
SELECT make_statistics_partitions();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON worker_live, pool_live TO kench_stratum;
GRANT SELECT, INSERT, UPDATE ON worker_ten_minutes, worker_hours, worker_days,
    statistics_positions, statistics_rollups TO kench_stratum;
GRANT SELECT ON worker_live, pool_live, worker_statistics, worker_ten_minutes, worker_hours,
    worker_days, statistics_positions, statistics_rollups TO kench_settle, kench_read;
"""


def upgrade() -> None:
    """Make the tables, the functions that look after partitions, and the first partitions."""
    levels = tuple(HISTORY.format(level=level) for level in LEVELS)
    for statements in (REFUSALS, LIVE, *levels, PROGRESS, PARTITIONS, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: the history cannot be made again."""
    raise NotImplementedError("restore a backup to go back before the statistics")
