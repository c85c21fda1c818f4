"""Participants that have mined for a month: workers in every state, live numbers, roll-ups.

with owner.begin() as db:
    mined(db, participant_id, workers=40, now_us=…)
Of ten workers one is gone, one silent, one low, and seven are active: those do 100 TH/s each.
"""

import sqlalchemy as sa

from kench.pool.moments import moment_of

HASHRATE = 1e14
_WORKERS = sa.text("""
    INSERT INTO workers (participant_id, name, created_at)
    SELECT :participant, 'rig-' || to_char(number, 'FM00000'),
        CAST(:now AS timestamptz) - interval '20 days'
    FROM generate_series(1, :workers) AS number
""")
_NUMBERED = """
    SELECT id, row_number() OVER (ORDER BY id) AS number FROM workers
    WHERE participant_id = :participant
"""
_LIVE = sa.text(f"""
    INSERT INTO worker_live
    SELECT :participant, id, 0,
        CASE WHEN number % 10 < 2 THEN 0 ELSE :hashrate END,
        CASE WHEN number % 10 < 2 THEN 0 ELSE :hashrate END,
        CASE WHEN number % 10 < 2 THEN 0 WHEN number % 10 = 2 THEN :hashrate / 2 ELSE :hashrate END,
        CASE WHEN number % 10 = 0 THEN 0 ELSE :hashrate END,
        CASE WHEN number % 10 = 0 THEN 0 ELSE 1000 END, number % 7, 0, number % 3, 0,
        CAST(:now AS timestamptz) - CASE number % 10 WHEN 0 THEN interval '25 hours'
            WHEN 1 THEN interval '21 minutes' ELSE interval '5 seconds' END,
        CASE WHEN number % 10 < 2 THEN 0 ELSE 1 END, '-infinity', 1e6, 'cgminer/4'
    FROM ({_NUMBERED}) AS numbered
""")
_POOL = sa.text("""
    INSERT INTO pool_live SELECT 0, now() + interval '1 hour', 1000, 9, 1e17, 1e17, 1e17, 1e17,
        1, 0, 0, 0, 0
    ON CONFLICT (source) DO UPDATE SET written_at = excluded.written_at
""")
_ROLLED = sa.text("""
    UPDATE statistics_rollups SET done_before = date_bin(
        CASE WHEN level LIKE '%days' THEN interval '1 day' WHEN level LIKE '%hours'
            THEN interval '1 hour' ELSE interval '10 minutes' END,
        CAST(:now AS timestamptz), '2000-01-01+00')
""")
_LEVELS = {"ten_minutes": ("10 minutes", 144), "hours": ("1 hour", 480), "days": ("1 day", 20)}
_UP = {"ten_minutes": 1, "hours": 6, "days": 144}


def mine_twice_as_fast(db: sa.Connection) -> None:
    """Have all live numbers double, as the pool's next writing does."""
    db.execute(sa.text("UPDATE worker_live SET hashrate_1m = hashrate_1m * 2"))
    db.execute(sa.text("UPDATE pool_live SET written_at = written_at + interval '1 s'"))


def mined(db: sa.Connection, participant_id: int, *, workers: int, now_us: int) -> None:
    """Give a participant workers that did what they did."""
    asked = {"participant": participant_id, "now": moment_of(now_us)}
    db.execute(_WORKERS, asked | {"workers": workers})
    db.execute(_LIVE, asked | {"hashrate": HASHRATE})
    db.execute(_POOL)
    for level, (step, count) in _LEVELS.items():
        moments = f"""
            SELECT date_bin('{step}', CAST(:now AS timestamptz), '2000-01-01+00')
                - number * interval '{step}' AS at FROM generate_series(1, :count) AS number
        """
        work = f"{HASHRATE:.0f}::numeric * extract(epoch FROM interval '{step}')::integer"
        up = "" if level == "ten_minutes" else f", {_UP[level]}"
        db.execute(
            sa.text(f"""
                INSERT INTO worker_{level}
                SELECT :participant, id, at, 100, 1, 0, 0, 0, {work} {up}
                FROM ({_NUMBERED}) AS numbered, ({moments}) AS moments WHERE number <= 50
            """),
            asked | {"count": count},
        )
        db.execute(
            sa.text(f"""
                INSERT INTO participant_{level}
                SELECT :participant, at, 100 * :workers, :workers, 0, 0, 0, {work} * :workers,
                    {_UP[level]} * :workers
                FROM ({moments}) AS moments
            """),
            asked | {"count": count, "workers": workers},
        )
    db.execute(_ROLLED, asked)
