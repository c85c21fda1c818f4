"""Upgrades with data: what was written under an older schema is there under the newest."""

import hashlib
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from kench.pool.database import migrate, open_engine, upgrade
from kench.pool.tokens import is_in_force, tokens_of
from kench.stratum.statistics.history import COLUMNS, SETTLED_S, roll_up

Upgrade = Callable[[str, str], sa.Engine]


@pytest.fixture
def upgraded(empty_database: str) -> Iterator[Upgrade]:
    """Take the empty database to a revision, write into it, and take it to the newest."""
    engine = open_engine(empty_database, application_name="test")

    def take(revision: str, statements: str) -> sa.Engine:
        with engine.begin() as connection:
            upgrade(connection, revision)
            connection.execute(sa.text("SET LOCAL timezone = 'UTC'"))
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.execute(sa.text(statements))
        migrate(empty_database)
        return engine

    yield take
    engine.dispose()


FORMER_TOKENS = """
INSERT INTO participants (name, token_sha256, created_at) VALUES
    ('by command', sha256('one'), '2026-01-01 00:00Z'),
    ('registered, no token yet', sha256('two'), '2026-01-02 00:00Z'),
    ('registered', sha256('three'), '2026-01-03 00:00Z'),
    ('removed', sha256('four'), '2026-01-04 00:00Z');
UPDATE participants SET state = 'removed' WHERE id = 4;
INSERT INTO persons (pin, name, first_at) VALUES ('10102199000123', 'Asan', now());
INSERT INTO register_entries
    SELECT id, 1, jsonb_build_object('certificate', NULL, 'equipment', jsonb_build_array(),
        'applicant', jsonb_build_object('name', name, 'tax_number', '1', 'kind', 'entity')),
        1, 1, now() FROM participants WHERE id IN (2, 3);
INSERT INTO tokens_made (participant_id, person_id, at) VALUES
    (3, 9, '2026-02-01 00:00Z'), (3, 1, '2026-02-02 00:00Z');
"""


def test_the_one_token_that_a_participant_had_goes_on_unless_nobody_has_seen_it(
    upgraded: Upgrade,
) -> None:
    engine = upgraded("0030", FORMER_TOKENS)
    with engine.connect() as db:
        assert [
            [(one.label, one.made_at.isoformat()[:10], one.made_by) for one in tokens_of(db, whose)]
            for whose in range(1, 5)
        ] == [
            [("first", "2026-01-01", None)],
            [],
            [("first", "2026-02-02", 1)],
            [("first", "2026-01-04", None)],
        ]
        assert is_in_force(db, 1, "one")
        assert is_in_force(db, 3, "three")
        columns = db.execute(sa.text("SELECT * FROM participants")).keys()
        assert "token_sha256" not in columns
        kept = db.scalar(sa.text("SELECT sha256 FROM participant_tokens WHERE id = 1"))
        assert bytes(kept) == hashlib.sha256(b"one").digest()  # type: ignore[arg-type]


# Three days of three participants with two workers each, as the program of 0022 left them: hours
# are summed up to five o'clock of yesterday, days up to its midnight. Some buckets have refusals
# alone, some workers run now and then. Of a day four months ago nothing finer is left.
HISTORY = """
CREATE TEMP TABLE moments ON COMMIT DROP AS
    SELECT date_trunc('day', now()) AS today,
        date_trunc('month', now()) - interval '4 months' AS old_month;
INSERT INTO worker_ten_minutes
    SELECT participant, 10 * participant + worker, at, greatest(n * worker % 7 - 2, 0), n % 3,
        n % 2, participant, worker, n * 1000000007::numeric * participant
    FROM moments, generate_series(1, 3) AS participant, generate_series(1, 2) AS worker,
        generate_series(0, 317) AS n,
        LATERAL (SELECT today - interval '3 days' + n * interval '10 minutes' AS at) AS bucket
    WHERE (n + worker) % (participant + 1) <> 0;
INSERT INTO worker_hours
    SELECT participant_id, worker_id, date_trunc('hour', bucket_at), {sums}
    FROM worker_ten_minutes, moments
    WHERE bucket_at < today - interval '19 hours' GROUP BY 1, 2, 3;
INSERT INTO worker_days
    SELECT participant_id, worker_id, date_trunc('day', bucket_at), {sums}
    FROM worker_ten_minutes, moments
    WHERE bucket_at < today - interval '1 day' GROUP BY 1, 2, 3;
UPDATE statistics_rollups SET done_before = today
    - CASE level WHEN 'worker_hours' THEN interval '19 hours' ELSE interval '1 day' END
    FROM moments;
DO $$
DECLARE
    month timestamptz := (SELECT old_month FROM moments);
BEGIN
    EXECUTE format('CREATE TABLE %I PARTITION OF worker_days FOR VALUES FROM (%L) TO (%L)',
        'worker_days' || to_char(month, '_YYYY_MM'), month, month + interval '1 month');
END $$;
INSERT INTO worker_days SELECT 1, worker, old_month, 5 * worker, 1, 2, 3, 4, 10::numeric ^ 20
    FROM moments, generate_series(1, 2) AS worker;
""".format(sums=", ".join(f"sum({name})" for name in COLUMNS.split(", ")))

TODAY_S = """
SELECT extract(epoch FROM done_before + interval '1 day') FROM statistics_rollups
    WHERE level = 'worker_days'
"""
AS_SUMMED = """
SELECT {key}, bucket_at, {columns}, up FROM {level}
    WHERE bucket_at > date_trunc('day', now(), 'UTC') - interval '1 month' ORDER BY {key}, bucket_at
"""
AS_COUNTED = """
SELECT {key}, date_trunc('{span}', bucket_at, 'UTC') AS at, {sums},
    count(*) FILTER (WHERE accepted > 0) FROM worker_ten_minutes GROUP BY {key}, at
    ORDER BY {key}, at
"""


def test_history_from_before_participants_were_summed_gives_the_same_sums_as_counting_it(
    upgraded: Upgrade,
) -> None:
    engine = upgraded("0022", HISTORY)
    sums = ", ".join(f"sum({name})" for name in COLUMNS.split(", "))
    with engine.connect() as db:
        today_s = db.scalar(sa.text(TODAY_S))
        old = db.execute(
            sa.text("SELECT accepted, work_hashes, up FROM participant_days ORDER BY bucket_at")
        ).first()
    assert today_s is not None
    assert tuple(old or ()) == (15, 2 * 10**20, 0)
    while roll_up(engine, float(today_s) + SETTLED_S):
        pass
    with engine.connect() as db:
        for level, span, key in (
            ("worker_hours", "hour", "participant_id, worker_id"),
            ("worker_days", "day", "participant_id, worker_id"),
            ("participant_hours", "hour", "participant_id"),
            ("participant_days", "day", "participant_id"),
        ):
            summed = sa.text(AS_SUMMED.format(level=level, key=key, columns=COLUMNS))
            counted = sa.text(AS_COUNTED.format(span=span, key=key, sums=sums))
            rows = [tuple(row) for row in db.execute(summed)]
            assert rows == [tuple(row) for row in db.execute(counted)], level
            assert len(rows) >= 9
        buckets = "FROM {} GROUP BY participant_id, bucket_at ORDER BY participant_id, bucket_at"
        of_workers = f"SELECT {sums}, count(*) FILTER (WHERE accepted > 0) {buckets}"
        of_participants = f"SELECT {sums}, sum(up) {buckets}"
        assert (
            db.execute(sa.text(of_workers.format("worker_ten_minutes"))).all()
            == db.execute(sa.text(of_participants.format("participant_ten_minutes"))).all()
        )
