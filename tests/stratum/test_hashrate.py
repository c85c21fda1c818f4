"""Displayed hashrates: right from the first minute, fading when a miner leaves."""

import pytest

from kench.stratum.hashrate import SMOOTHING_S, Hashrates


def test_a_steady_rate_is_shown_as_it_is_from_the_first_interval_on() -> None:
    rates = Hashrates(0.0)
    for second in range(5, 600, 5):
        rates.add({1: 5_000, 2: 10}, float(second))
        assert rates.current() == pytest.approx({1: 1000.0, 2: 2.0})


def test_who_left_fades_and_is_forgotten() -> None:
    rates = Hashrates(0.0)
    rates.add({1: 1_000_000}, 10.0)
    before = rates.current()[1]
    rates.add({}, 10.0 + SMOOTHING_S)
    assert 0 < rates.current()[1] < before
    rates.add({}, 10.0 + 100 * SMOOTHING_S)
    assert rates.current() == {}


def test_a_clock_that_stands_or_goes_back_divides_nothing_by_zero() -> None:
    rates = Hashrates(10.0)
    rates.add({1: 5}, 10.0)
    rates.add({1: 5}, 5.0)
    assert rates.current() == {}
    rates.add({1: 50}, 20.0)
    assert rates.current()[1] > 0
