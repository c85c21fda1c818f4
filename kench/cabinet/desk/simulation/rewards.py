"""Another way of splitting rewards over the last days: who would have been paid what.

One pass over the participants' statistics, by hours where that is not too many rows, else by days.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.desk.simulation.coefficients import SCALE, Found, Steps, coefficients
from kench.cabinet.desk.simulation.findings import DAYS, ROWS_MAX
from kench.pool.moments import moment_of, us_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.rules import Reward

BLOCKS_MAX = 5_000
"""Blocks of those days; of more, the newest."""
HOURLY_PARTICIPANTS_MAX = 1_500
"""Of so many participants the statistics of hours are read, of more those of days."""
LOOK_BACK_DAYS = 25
"""Work of so many days before those is read besides, for windows that begin in them."""
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000


class PaidChange(NamedTuple):
    """What a participant would have been paid for those blocks, in satoshi."""

    participant_id: int
    name: str
    before_sat: int
    then_sat: int


class RewardsFound(NamedTuple):
    """All of it; the participants are those with the largest changes."""

    blocks: int
    participants: int
    affected: int
    """Participants who would have been paid another amount."""
    before_sat: int
    then_sat: int
    moved_sat: int
    """What would have gone to others."""
    largest: list[PaidChange]
    by_hours: bool


_BLOCKS = sa.text("""
    SELECT found_at, height, reward_sat FROM blocks
    WHERE found_at >= :since AND state <> 'orphaned' AND credited
    ORDER BY found_at DESC, hash DESC LIMIT :most
""")
_FORMER = sa.text("""
    SELECT found_at FROM blocks WHERE found_at < :first AND state <> 'orphaned'
    ORDER BY found_at DESC LIMIT 1
""")
_STEPS = """
    SELECT /* simulation */ bucket_at, sum(work_hashes) AS work_hashes FROM {level}
    WHERE bucket_at >= :since AND bucket_at < :until GROUP BY bucket_at
"""
_PAID = """
    WITH /* simulation */ paid AS (
        SELECT participant_id, floor(sum(work_hashes * before) / :scale) AS before_sat,
            floor(sum(work_hashes * afterwards) / :scale) AS then_sat
        FROM {level} JOIN unnest(CAST(:at AS timestamptz[]), CAST(:before AS numeric[]),
            CAST(:afterwards AS numeric[])) AS each (at, before, afterwards) ON bucket_at = at
        WHERE bucket_at >= :since AND bucket_at < :until
        GROUP BY participant_id
    )
    SELECT participant_id, name, before_sat, then_sat, count(*) OVER () AS participants,
        count(*) FILTER (WHERE before_sat <> then_sat) OVER () AS affected,
        sum(before_sat) OVER () AS all_before_sat, sum(then_sat) OVER () AS all_then_sat,
        sum(abs(then_sat - before_sat)) OVER () / 2 AS moved_sat
    FROM paid JOIN participants ON participants.id = participant_id
    ORDER BY abs(then_sat - before_sat) DESC, participant_id LIMIT :most
"""


def simulate_rewards(  # noqa: PLR0913 - against what, when
    db: sa.Connection,
    book: OrderBook,
    reward: Reward,
    *,
    now_us: int,
    network_work_hashes: int | None,
    days: int = DAYS,
) -> RewardsFound:
    """Split the rewards of those days' blocks by the rules of then, and by another."""
    since_us = now_us - days * DAY_US
    rows = db.execute(_BLOCKS, {"since": moment_of(since_us), "most": BLOCKS_MAX}).all()[::-1]
    by_hours = _is_small(db)
    steps = _read_steps(db, since_us, now_us, by_hours=by_hours)
    before = [
        Found(us_of(row.found_at), row.reward_sat, book.reward_at(row.height).rule) for row in rows
    ]
    then = [found._replace(reward=reward) for found in before]
    first_us = before[0].found_us if before else since_us
    former = db.scalar(_FORMER, {"first": moment_of(first_us)})
    priced = [
        coefficients(
            steps,
            blocks,
            former_us=us_of(former) if former else steps.begin_us,
            network_work_hashes=network_work_hashes,
        )
        for blocks in (before, then)
    ]
    return _read_paid(db, steps, priced, len(rows), by_hours=by_hours)


def _is_small(db: sa.Connection) -> bool:
    query = sa.text("SELECT count(*) FROM (SELECT FROM participants LIMIT :most) AS few")
    return int(db.scalar(query, {"most": HOURLY_PARTICIPANTS_MAX + 1}) or 0) <= (
        HOURLY_PARTICIPANTS_MAX
    )


def _read_steps(db: sa.Connection, since_us: int, now_us: int, *, by_hours: bool) -> Steps:
    step_us = HOUR_US if by_hours else DAY_US
    begin_us = (since_us - LOOK_BACK_DAYS * DAY_US) // step_us * step_us
    count = -(-(now_us - begin_us) // step_us)
    rows = db.execute(
        sa.text(_STEPS.format(level=_level(by_hours))),
        {"since": moment_of(begin_us), "until": moment_of(begin_us + count * step_us)},
    )
    work = [0] * count
    for row in rows:
        work[(us_of(row.bucket_at) - begin_us) // step_us] = int(row.work_hashes)
    return Steps(begin_us, step_us, work)


def _read_paid(
    db: sa.Connection, steps: Steps, priced: Sequence[Sequence[int]], blocks: int, *, by_hours: bool
) -> RewardsFound:
    used = [index for index in range(len(steps.work_hashes)) if any(each[index] for each in priced)]
    rows = db.execute(
        sa.text(_PAID.format(level=_level(by_hours))),
        {
            "at": [moment_of(steps.begin_us + index * steps.step_us) for index in used],
            "before": [str(priced[0][index]) for index in used],
            "afterwards": [str(priced[1][index]) for index in used],
            "scale": SCALE,
            "since": moment_of(steps.begin_us),
            "until": moment_of(steps.end_us),
            "most": ROWS_MAX,
        },
    ).all()
    if not rows:
        return RewardsFound(blocks, 0, 0, 0, 0, 0, [], by_hours)
    whole = rows[0]
    return RewardsFound(
        blocks,
        whole.participants,
        whole.affected,
        int(whole.all_before_sat),
        int(whole.all_then_sat),
        int(whole.moved_sat),
        [
            PaidChange(row.participant_id, row.name, int(row.before_sat), int(row.then_sat))
            for row in rows
            if row.before_sat != row.then_sat
        ],
        by_hours,
    )


def _level(by_hours: bool) -> str:
    return "participant_hours" if by_hours else "participant_days"
