"""A pool of many participants as PostgreSQL has it after a year: written at once, by PostgreSQL.

One participant has a tenth of all workers, a hundredth of them half of the rest, the others share
what is left. Rows of a level lie in the order of time and of workers, as its sums leave them.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

SOURCE = 0
"""The machine that writes the live table."""
BLOCK_EVERY = timedelta(hours=22)
OPEN_LOTS = 5
FIRST_PIN = 10_000_000_000_000
LOGIN_DAYS = 7
MONTHS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is; days back from now of each level."""

    participants: int
    workers: int
    blocks: int
    worker_ten_minutes_d: int
    worker_hours_d: int
    worker_days_d: int
    participant_ten_minutes_d: int
    participant_hours_d: int
    participant_days_d: int

    def rows(self) -> dict[str, int]:
        """Return how many rows each level has."""
        return {
            level.name: (self.workers if level.of_workers else self.participants)
            * (86_400 // level.step_s)
            * self.days(level)
            for level in LEVELS
        }

    def of(self, participants: int | None, workers: int | None, days: int | None) -> "Size":
        """Return another size: with so many of them, and at most so many days, where said."""
        most = {f"{level.name}_d": min(self.days(level), days) for level in LEVELS} if days else {}
        return replace(
            self,
            participants=participants or self.participants,
            workers=workers or self.workers,
            **most,
        )

    def days(self, level: "Level") -> int:
        """Return how many days of a level there are."""
        days: int = getattr(self, f"{level.name}_d")
        return days


class Level(NamedTuple):
    """A table of roll-ups."""

    name: str
    step_s: int

    @property
    def of_workers(self) -> bool:
        """Whether it has a row for each worker."""
        return self.name.startswith("worker_")


LEVELS = (
    Level("participant_days", 86_400),
    Level("participant_hours", 3_600),
    Level("participant_ten_minutes", 600),
    Level("worker_days", 86_400),
    Level("worker_hours", 3_600),
    Level("worker_ten_minutes", 600),
)
YEAR = Size(10_000, 200_000, 400, 40, 365, 365, 40, 365, 365)
"""What there is after a year with all that is kept by the settings' defaults."""
FULL = Size(10_000, 200_000, 400, 0, 2, 365, 8, 62, 365)
"""The same but for steps that no dashboard and no list reads: each level goes further back than
these do, and older months are partitions of their own, which no query of theirs opens."""
SMALL = Size(1_000, 20_000, 60, 0, 2, 31, 2, 31, 31)

PEOPLE = f"""
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
INSERT INTO participants (name, created_at)
    SELECT 'Participant ' || n, now() - interval '400 days'
    FROM generate_series(1, :participants) AS n;
INSERT INTO workers (participant_id, name, created_at)
    SELECT who, 'rig' || lpad(n::text, 5, '0'), now() - interval '400 days'
    FROM unnest(CAST(:counts AS integer[])) WITH ORDINALITY AS each (count, who),
        generate_series(1, count) AS n;
INSERT INTO persons (pin, name, first_at)
    SELECT ({FIRST_PIN} + n)::text, 'Person ' || n, now() - interval '400 days'
    FROM generate_series(1, :participants) AS n;
INSERT INTO participant_people (participant_id, pin, role, added_at)
    SELECT n, ({FIRST_PIN} + n)::text, 'owner', now() - interval '400 days'
    FROM generate_series(1, :participants) AS n;
INSERT INTO logins (cookie_sha256, person_id, browser_sha256, address, agent, opened_at, seen_at,
        expires_at, ended_at, ended_why)
    SELECT sha256('login\\000'::bytea || sha256((n || '/' || number)::bytea)), n,
        sha256(n::text::bytea), '192.0.2.7', 'Browser/1', at, at, at + interval '{LOGIN_DAYS} days',
        CASE WHEN number > 0 THEN at END, CASE WHEN number > 0 THEN 'left' END
    FROM generate_series(1, :participants) AS n, generate_series(0, 4) AS number,
        LATERAL (SELECT now() - number * interval '9 days' AS at) AS opened;
INSERT INTO acts (at, person_id, act, subject, outcome, address, detail)
    SELECT now() - number * interval '9 days', n, 'login', 'person:' || n, 'done', '192.0.2.7', ''
    FROM generate_series(1, :participants) AS n, generate_series(0, 9) AS number;
"""
LIVE = f"""
SET LOCAL synchronous_commit = off;
INSERT INTO worker_live
    SELECT participant_id, id, {SOURCE}, rate, rate, rate, rate, 1000 + id % 400, id % 20, 0, 0,
        id % 3, now() - interval '1 second' * CASE WHEN id % 20 = 0 THEN 3000 ELSE id % 100 END,
        1, now() - interval '5 days', 65536, 'bosminer/' || id % 40
    FROM workers, LATERAL (SELECT 1e14 + id % 1000 * 1e10 AS rate) AS rates;
INSERT INTO pool_live SELECT {SOURCE}, now(), count(*), count(*), sum(hashrate_1m),
    sum(hashrate_10m), sum(hashrate_1h), sum(hashrate_24h), 1, 1, 1, 1, 1 FROM worker_live;
INSERT INTO refusals (participant_id, worker_id, reason, count, user_agent)
    SELECT participant_id, id, reason, id % 90, 'bosminer/' || id % 40
    FROM workers, unnest(ARRAY['stale', 'low_difficulty', 'duplicate']) AS reason;
"""
_HASH = "encode(sha256(n::text::bytea), 'hex')"
_FOUND = f"now() - (:blocks - n) * interval '{BLOCK_EVERY.total_seconds()} s' - interval '1 hour'"
BOOKS = f"""
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder, found_at,
        credited, state, attempts, credits)
    SELECT {_HASH}, 800000 + n * 100, 0, n, 1, 312500000, '1.rig', {_FOUND}, true,
        CASE WHEN n = :blocks THEN 'pending' ELSE 'mature' END, 1, :participants
    FROM generate_series(1, :blocks) AS n;
INSERT INTO block_credits (block_hash, participant_id, work_hashes, reward_sat)
    SELECT {_HASH}, who, 1000000, 312500000 / :participants
    FROM generate_series(1, :blocks) AS n, generate_series(1, :participants) AS who;
INSERT INTO lots (block_hash, vout, coinbase_txid, height, venue, address, output_sat, amount_sat,
        venues_order, made_at, changed_at, state, sold_sat)
    SELECT {_HASH}, 0, {_HASH}, 800000 + n * 100, 'paper', 'a', 312500000, 312500000, 1, {_FOUND},
        {_FOUND}, CASE WHEN n > :blocks - {OPEN_LOTS} THEN 'selling' ELSE 'settled' END, 0
    FROM generate_series(1, :blocks - 1) AS n;
INSERT INTO lot_shares SELECT block_hash, 0, participant_id, reward_sat
    FROM block_credits JOIN lots USING (block_hash);
INSERT INTO lot_settlements
    SELECT block_hash, 0, block_hash || '\\:0', 312500000, 100000000, 0, 0, 100000000, 0, 1, made_at
    FROM lots WHERE state = 'settled';
INSERT INTO lot_settlement_lines SELECT block_hash, 0, participant_id, reward_sat, 10000
    FROM block_credits JOIN lots USING (block_hash) WHERE lots.state = 'settled';
INSERT INTO accounts (code, debits_posted, credits_posted)
    SELECT 'participant\\:' || who || kind, 1000000, 2000000
    FROM generate_series(1, :participants) AS who, unnest(ARRAY['', '\\:kgs']) AS kind;
INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject, reference,
        created_at)
    SELECT posting_id('post', 'settlement', block_hash, debit, credit), 'post', asset, debit,
        credit, 10000, 'settlement', block_hash, made_at
    FROM (SELECT block_hash, made_at, height, row_number() OVER (ORDER BY height DESC) AS back
            FROM lots WHERE state = 'settled') AS newest,
        generate_series(1, :participants) AS who,
        LATERAL (VALUES ('BTC', 'participant\\:' || who, 'trade\\:btc'),
            ('KGS', 'trade\\:kgs', 'participant\\:' || who || '\\:kgs'))
            AS line (asset, debit, credit)
    WHERE back <= :posted;
"""
POSTED_BLOCKS = 30
"""Blocks whose ledger lines there are: no list of workers and no dashboard reads any."""
_VALUES = """
    id % 300 + 900 AS accepted, id % 7 AS stale, id % 2 AS low_difficulty, 0 AS duplicate,
    id % 3 AS other, (id % 1000 + 9000) * 1e14::numeric AS work_hashes
"""
_KEYS = {True: "participant_id, id AS worker_id", False: "id AS participant_id"}


def fill(url_engine: sa.Engine, size: Size, say: Callable[[str], None]) -> None:
    """Fill a fresh database; `say` is told what is done next."""
    say(f"{size.participants:,} participants, {size.workers:,} workers")
    with url_engine.begin() as db:
        db.execute(
            sa.text(PEOPLE),
            {"participants": size.participants, "counts": workers_each(size)},
        )
        db.execute(sa.text(LIVE))
    say(f"{size.blocks:,} blocks with parts of each")
    with url_engine.begin() as db:
        asked = {"blocks": size.blocks, "participants": size.participants}
        db.execute(sa.text(BOOKS), asked | {"posted": POSTED_BLOCKS})
    now = datetime.now(UTC)
    for level in LEVELS:
        _fill_level(url_engine, level, now, size.days(level), say)
    with url_engine.begin() as db:
        for level in LEVELS:
            done = now.timestamp() // level.step_s * level.step_s
            db.execute(
                sa.text("UPDATE statistics_rollups SET done_before = to_timestamp(:done)"
                        " WHERE level = :level"),
                {"done": done, "level": level.name},
            )  # fmt: skip
    say("what the planner must know")
    with url_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("ANALYZE")


def enter_again(engine: sa.Engine) -> None:
    """See that the logins of a database that was filled a while ago have just been used."""
    with engine.begin() as db:
        db.exec_driver_sql("UPDATE logins SET seen_at = now() WHERE ended_at IS NULL")


def workers_each(size: Size) -> list[int]:
    """Return how many workers each participant has, the one with most first."""
    most = size.workers // 10
    many = max(1, size.participants // 100)
    each_of_many = (size.workers - most) // 2 // many
    few = size.participants - 1 - many
    rest = size.workers - most - many * each_of_many
    counts = [rest // few + (number < rest % few) for number in range(few)]
    return [most] + [each_of_many] * many + counts


def secret_of(participant_id: int) -> bytes:
    """Return the secret of the login of a participant's owner."""
    return hashlib.sha256(f"{participant_id}/0".encode()).digest()


def _fill_level(
    engine: sa.Engine, level: Level, now: datetime, days: int, say: Callable[[str], None]
) -> None:
    columns = "participant_id, worker_id" if level.of_workers else "participant_id"
    values = "accepted, stale, low_difficulty, duplicate, other, work_hashes"
    values += "" if level.name == "worker_ten_minutes" else ", up"
    until_s = int(now.timestamp()) // level.step_s * level.step_s
    begins_s = until_s - days * 86_400
    for first, end in _months(datetime.fromtimestamp(begins_s, UTC), now):
        name = f"{level.name}_{first:%Y_%m}"
        whole = range(int(first.timestamp()), int(end.timestamp()), level.step_s)
        steps = [at_s for at_s in whole if begins_s <= at_s < until_s]
        if steps:
            say(f"{name}: {len(steps):,} steps")
        with engine.begin() as db:
            db.exec_driver_sql("SET LOCAL synchronous_commit = off")
            db.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
            db.execute(
                sa.text(f"""
                CREATE TEMPORARY TABLE step ON COMMIT DROP AS
                SELECT {_KEYS[level.of_workers]}, {_VALUES}, {level.step_s // 600} AS up
                FROM {"workers" if level.of_workers else "participants"} ORDER BY id
            """)
            )
            # Rows first, then the index, then a part of the whole: quicker than row by row.
            db.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
            db.exec_driver_sql(f"CREATE TABLE {name} (LIKE {level.name} INCLUDING DEFAULTS"
                               " INCLUDING CONSTRAINTS)")  # fmt: skip
            insert = sa.text(f"""
                INSERT INTO {name} ({columns}, bucket_at, {values})
                SELECT {columns}, to_timestamp(:at_s), {values} FROM step
            """)
            for at_s in steps:
                db.execute(insert, {"at_s": at_s})
            db.exec_driver_sql(f"ALTER TABLE {name} ADD PRIMARY KEY ({columns}, bucket_at)")
            db.exec_driver_sql(f"ALTER TABLE {level.name} ATTACH PARTITION {name}"
                               f" FOR VALUES FROM ('{first}') TO ('{end}')")  # fmt: skip


def _months(begins: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield months, from one moment to some after another, each with where it ends."""
    month = begins.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month < until + timedelta(days=31 * MONTHS_AHEAD):
        after = (month + timedelta(days=31)).replace(day=1)
        yield month, after
        month = after
