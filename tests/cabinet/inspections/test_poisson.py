"""The p-value: Poisson's, to eleven digits and more, and sane whatever is asked."""

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.inspections.poisson import poisson_at_most


def summed(found: int, expected: float) -> float:
    """The definition, with sixty digits."""
    with localcontext() as context:
        context.prec = 60
        term = whole = Decimal(1)
        for number in range(1, found + 1):
            term = term * Decimal(expected) / number
            whole += term
        return float(whole * (-Decimal(expected)).exp())


@pytest.mark.parametrize(
    ("found", "expected", "p"),
    [
        (0, 1.0, math.exp(-1)), (1, 1.0, 2 * math.exp(-1)), (0, 0.0, 1.0), (5, 0.0, 1.0),
        # From tables of the distribution.
        (0, 7.0, 0.000911882), (2, 10.0, 0.002769396), (4, 2.0, 0.947346983),
        (10, 20.0, 0.010811719), (990, 1000.0, 0.383762266629),
    ],
)  # fmt: skip
def test_the_p_value_is_poissons(found: int, expected: float, p: float) -> None:
    assert poisson_at_most(found, expected) == pytest.approx(p, rel=1e-6)


@given(st.integers(0, 300), st.floats(1e-6, 300))
def test_a_p_value_is_the_sum_that_defines_it(found: int, expected: float) -> None:
    assert poisson_at_most(found, expected) == pytest.approx(summed(found, expected), rel=1e-11)


@given(st.integers(0, 10**9), st.floats(0, 1e9))
def test_a_p_value_is_a_chance_and_grows_with_what_is_found(found: int, expected: float) -> None:
    p = poisson_at_most(found, expected)
    assert 0 <= p <= 1
    assert poisson_at_most(found + 1, expected) >= p - 1e-9


def test_where_sums_end_the_normal_distribution_goes_on() -> None:
    million = 10**6
    for found in (million - 3000, million - 1000, million):
        summed_up = poisson_at_most(found, million)
        assert poisson_at_most(found, million + 0.001) == pytest.approx(summed_up, abs=3e-4)
