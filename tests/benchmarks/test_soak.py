"""A soak's own rules: what is called growth, which shares are told apart, what a picture shows."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.soak import __main__ as soak
from benchmarks.soak.faults import FAULTS, order_of
from benchmarks.soak.miners import number_of, numbers_of
from benchmarks.soak.picture import picture
from benchmarks.soak.slopes import HOUR_S, Bound, judge, outside, theil_sen
from kench.pool.journal import SHARE
from tests.support.long import ONLY_LONG

TIMES = np.arange(0.0, 3600.0, 10.0)


def noise(size: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, size, len(TIMES))


def test_the_slope_is_found_under_noise_and_outliers() -> None:
    values = 100.0 + TIMES * 0.01 + noise(2.0)
    values[::7] = 1e6  # a seventh is nonsense
    slope, least, most = theil_sen(TIMES, values)
    assert slope == pytest.approx(0.01, rel=0.3)
    assert least < 0.01 < most


@given(
    slope=st.floats(-10, 10),
    begin=st.floats(-1e6, 1e6),
)
def test_a_straight_line_has_its_own_slope(slope: float, begin: float) -> None:
    found, least, most = theil_sen(TIMES[:40], begin + slope * TIMES[:40])
    assert found == pytest.approx(slope, abs=1e-6)
    assert least <= found <= most


def test_what_is_steady_is_flat_and_what_leaks_is_not() -> None:
    steady = judge("memory", TIMES, 200.0 + noise(5.0), Bound(24.0, 0.2))
    leak = judge("memory", TIMES, 200.0 + TIMES / 3600 * 90.0 + noise(5.0), Bound(24.0, 0.2))
    assert steady is not None
    assert leak is not None
    assert steady.is_flat
    assert not leak.is_flat
    assert leak.growth == pytest.approx(90, rel=0.1)
    assert leak.bound == pytest.approx(0.2 * leak.middle)


def test_what_fills_again_after_a_fault_to_where_it_was_is_flat() -> None:
    times_s = np.arange(0.0, 2400.0, 6.0)
    # Killed at its beginning and in its middle, and full again just before the end.
    filled = 27 + np.minimum(times_s % 1200.0 / 150.0, 6.0)
    filled[times_s >= 1200] = 27 + np.minimum((times_s[times_s >= 1200] - 1200) / 200.0, 6.0)
    verdict = judge("processes", times_s[60:], filled[60:], Bound(2.0, 0.1))
    assert verdict is not None
    assert verdict.is_flat


@pytest.mark.parametrize("growth", [30.0, 60.0, 200.0])
def test_a_leak_passes_all_that_was_before(growth: float) -> None:
    times_s = np.arange(0.0, 2400.0, 6.0)
    values = 100 + growth / HOUR_S * times_s + 3 * np.sin(times_s / 60)
    verdict = judge("memory", times_s, values, Bound(24.0))
    assert verdict is not None
    assert verdict.rise == pytest.approx(growth, rel=0.2)
    assert not verdict.is_flat


def test_a_growth_that_is_within_what_is_uncertain_is_not_called_one() -> None:
    few = TIMES[:10]
    verdict = judge("lag", few, few * 0.02 + np.tile([5.0, -5.0], 5), Bound(10.0))
    assert verdict is not None
    assert verdict.most > verdict.bound
    assert verdict.is_flat


def test_too_few_samples_or_none_are_not_judged() -> None:
    assert judge("lag", TIMES[:5], TIMES[:5], Bound(1.0)) is None
    assert judge("lag", TIMES, np.full(len(TIMES), np.nan), Bound(1.0)) is None


def test_the_first_third_and_what_follows_a_fault_are_left_out() -> None:
    kept = outside(TIMES, [1500.0, 3000.0], 30.0)
    assert not kept[TIMES < 1190].any()
    assert not kept[(TIMES >= 1500) & (TIMES < 1530)].any()
    assert kept[(TIMES >= 1530) & (TIMES < 3000)].all()


def test_shares_have_the_numbers_that_their_records_have() -> None:
    chance = np.random.default_rng(2)
    records = np.zeros(500, SHARE)
    records["job_key"] = chance.integers(0, 2**60, 500)
    records["extranonce1"] = chance.integers(0, 256, (500, 4))
    records["extranonce2"] = chance.integers(0, 256, (500, 8))
    told = [
        number_of((int(one["job_key"]), one["extranonce1"].tobytes(), one["extranonce2"].tobytes()))
        for one in records
    ]
    assert numbers_of(records).tolist() == told
    assert len(set(told)) == 500


def test_each_fault_comes_once_before_any_comes_again() -> None:
    following = order_of(7)
    first = [following().name for _ in FAULTS]
    assert sorted(first) == sorted(one.name for one in FAULTS)
    again = order_of(7)
    assert [again().name for _ in FAULTS] == first


def test_a_picture_is_drawn_of_what_there_is() -> None:
    values = noise(5.0) + 100
    values[10:20] = np.nan
    drawn = picture(
        "a <soak>", TIMES, {"memory MB front": values, "threads front": values}, [(60.0, "kill")]
    )
    root = ET.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}polyline")) == 4  # two charts, each with a gap
    assert "a <soak>" in [text.text for text in root.iter(f"{space}text")]
    assert len(list(root.iter(f"{space}title"))) == 2


@ONLY_LONG
def test_a_short_soak_loses_nothing_and_ends_by_itself(tmp_path: Path) -> None:
    figures, drawn = tmp_path / "figures.json", tmp_path / "soak.svg"
    words = ["--minutes", "0.7", "--fault-every", "10", "--rate", "200", "--connections", "20"]
    words += ["--folder", str(tmp_path / "disk"), "--json", str(figures)]
    soak.main([*words, "--picture", str(drawn)])
    found = json.loads(figures.read_text())
    assert found["books"]["acknowledged"] > 5000
    assert found["books"]["lost"] == 0
    assert found["books"]["is_audit_clean"]
    assert found["is_settled"]
    assert len(found["faults"]) >= 2
    ET.parse(drawn)
