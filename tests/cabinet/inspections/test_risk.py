"""Risk: exact where it is arithmetic, and in bounds whatever the facts are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.inspections.risk import GIGA, Factor, Facts, points_of, poisson_at_most

DAY_S = 86_400


def facts(**changed: float) -> Facts:
    """Of one whose 100 TH/s were there all the time."""
    whole = 100_000 * GIGA * 30 * DAY_S
    known = {
        "declared_ghs": 100_000, "work_hashes": whole, "days": 30, "idle_days": 0,
        "accepted": 100_000, "refused": 500, "found": 9, "expected": 10.0,
    }  # fmt: skip
    return Facts(**known | changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected", "p"),
    [(0, 1.0, math.exp(-1)), (1, 1.0, 2 * math.exp(-1)), (0, 0.0, 1.0), (5, 0.0, 1.0),
     (0, 7.0, 0.000912), (2, 10.0, 0.002769), (990, 1000.0, 0.383)],
)  # fmt: skip
def test_the_p_value_is_poissons(found: int, expected: float, p: float) -> None:
    assert poisson_at_most(found, expected) == pytest.approx(p, rel=2e-3)


@given(st.integers(0, 3000), st.floats(0, 3000))
def test_a_p_value_is_a_chance_and_grows_with_what_is_found(found: int, expected: float) -> None:
    p = poisson_at_most(found, expected)
    assert 0 <= p <= 1
    assert poisson_at_most(found + 1, expected) >= p - 1e-9


def test_who_works_as_declared_and_finds_what_is_expected_has_no_points() -> None:
    assert points_of(facts()) == ()


@pytest.mark.parametrize(
    ("changed", "factor", "points"),
    [
        ({"found": 0, "expected": 8.0}, Factor.WITHHOLDING, 40),
        ({"found": 0, "expected": 5.0}, Factor.WITHHOLDING, 25),
        ({"found": 0, "expected": 3.5}, Factor.WITHHOLDING, 10),
        ({"work_hashes": 0}, Factor.HASHRATE, 30),
        ({"declared_ghs": 50_000}, Factor.HASHRATE, 30),
        ({"idle_days": 6}, Factor.IDLE, 6),
        ({"idle_days": 30}, Factor.IDLE, 15),
        ({"refused": 20_000}, Factor.REFUSED, 15),
    ],
)
def test_each_factor_adds_its_points(
    changed: dict[str, float], factor: Factor, points: int
) -> None:
    assert points_of(facts(**changed)) == ((factor, points),)


@given(st.integers(0, 10**9), st.integers(0, 10**30), st.integers(0, 30), st.integers(0, 10**6),
       st.integers(0, 10**6), st.integers(0, 100), st.floats(0, 1000))  # fmt: skip
def test_a_score_is_from_0_to_100(  # noqa: PLR0917 - whatever the facts are
    ghs: int, work: int, idle: int, accepted: int, refused: int, found: int, expected: float
) -> None:
    given_facts = Facts(ghs, work, 30, idle, accepted, refused, found, expected)
    assert 0 <= sum(one.points for one in points_of(given_facts)) <= 100
