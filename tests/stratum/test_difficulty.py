"""Claims about one session's difficulty that need no session."""

import pytest

from kench.native import JobTable
from kench.pool.clock import ManualClock
from kench.pool.job import Job
from kench.pool.work import work_of
from kench.stratum.difficulty import Difficulty, DifficultyLimits
from kench.stratum.login import parse_password
from tests.support.jobs import Jobs, small_template

LIMITS = DifficultyLimits(start=64.0, lowest=1.0, highest=4096.0, shares_per_minute=12.0)


@pytest.fixture
def job() -> Job:
    """A job of a network as hard as can be."""
    return Jobs(JobTable(), ManualClock()).add(small_template(block_target=1))[0]


@pytest.fixture
def difficulty() -> Difficulty:
    return Difficulty(LIMITS, now=0.0)


def test_work_is_counted_at_the_difficulty_in_force_when_shares_came(
    difficulty: Difficulty, job: Job
) -> None:
    assert difficulty.renew(job, "", 0.0)
    difficulty.count(3, 3)
    difficulty.wish(128.0)
    assert difficulty.renew(job, "", 10.0)
    difficulty.count(1, 1)
    assert difficulty.work_hashes == 3 * work_of(64.0) + work_of(128.0)


def test_a_wish_that_bounds_make_nothing_of_changes_nothing(
    difficulty: Difficulty, job: Job
) -> None:
    difficulty.wish(1e9)
    assert difficulty.renew(job, "", 0.0)
    assert difficulty.in_force == 4096.0
    difficulty.wish(1e12)
    assert not difficulty.renew(job, "", 1.0)


def test_a_password_s_start_outranks_what_is_suggested_later(difficulty: Difficulty) -> None:
    difficulty.take_options(parse_password("token,d=256"))
    difficulty.suggest(512.0)
    assert difficulty.start == 256.0
