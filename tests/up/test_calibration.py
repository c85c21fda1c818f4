"""The demo's blocks are as difficult as this machine is fast."""

import pytest

from kench.pool.clock import ManualClock, SystemClock
from kench.up.calibration import (
    BLOCK_S,
    DIFFICULTY_MAX,
    DIFFICULTY_MIN,
    block_difficulty_for,
    hashes_per_s,
)


@pytest.mark.parametrize("rate", [1e4, 1e6, 17e6, 1e9])
def test_a_block_takes_about_the_time_that_is_wanted(rate: float) -> None:
    seconds = block_difficulty_for(rate) * 2**32 / rate
    assert BLOCK_S * 0.94 < seconds < BLOCK_S * 1.06


def test_the_difficulty_has_bounds() -> None:
    assert block_difficulty_for(0) == DIFFICULTY_MIN
    assert block_difficulty_for(1e30) == DIFFICULTY_MAX


def test_this_machine_is_measured() -> None:
    assert 1e3 < hashes_per_s(SystemClock()) < 1e9


def test_a_clock_that_stands_still_is_survived() -> None:
    assert hashes_per_s(ManualClock()) > 0
