"""Risk: exact where it is arithmetic, and in bounds whatever the facts are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.inspections.risk import GIGA, Factor, Facts, points_of

DAY_S = 86_400


def facts(**changed: float) -> Facts:
    """Of one whose 100 TH/s were there all the time."""
    whole = 100_000 * GIGA * 30 * DAY_S
    known = {
        "declared_ghs": 100_000, "work_hashes": whole, "days": 30, "idle_days": 0,
        "accepted": 100_000, "refused": 500, "found": 9, "expected": 10.0,
    }  # fmt: skip
    return Facts(**known | changed)  # type: ignore[arg-type]


def test_who_works_as_declared_and_finds_what_is_expected_has_no_points() -> None:
    assert points_of(facts()) == ()
    assert points_of(facts(shared_days=2, shared_with=9)) == ()


@pytest.mark.parametrize(
    ("changed", "factor", "points"),
    [
        ({"found": 0, "expected": 8.0}, Factor.WITHHOLDING, 40),
        ({"found": 0, "expected": 5.0}, Factor.WITHHOLDING, 25),
        ({"found": 0, "expected": 3.5}, Factor.WITHHOLDING, 10),
        ({"work_hashes": 0}, Factor.HASHRATE, 25),
        ({"declared_ghs": 50_000}, Factor.HASHRATE, 25),
        ({"idle_days": 6}, Factor.IDLE, 4),
        ({"idle_days": 30}, Factor.IDLE, 10),
        ({"refused": 20_000}, Factor.REFUSED, 10),
        ({"shared_days": 3}, Factor.ADDRESSES, 5),
        ({"shared_days": 7}, Factor.ADDRESSES, 10),
        ({"shared_days": 30}, Factor.ADDRESSES, 15),
    ],
)
def test_each_factor_adds_its_points(
    changed: dict[str, float], factor: Factor, points: int
) -> None:
    assert points_of(facts(**changed)) == ((factor, points),)


@given(
    st.integers(0, 10**9), st.integers(0, 10**30), st.integers(0, 30), st.integers(0, 10**6),
    st.integers(0, 10**6), st.integers(0, 100), st.floats(0, 1000), st.integers(0, 30),
)  # fmt: skip
def test_a_score_is_from_0_to_100(  # noqa: PLR0917 - whatever the facts are
    ghs: int,
    work: int,
    idle: int,
    accepted: int,
    refused: int,
    found: int,
    expected: float,
    shared: int,
) -> None:
    given_facts = Facts(ghs, work, 30, idle, accepted, refused, found, expected, shared_days=shared)
    assert 0 <= sum(one.points for one in points_of(given_facts)) <= 100
