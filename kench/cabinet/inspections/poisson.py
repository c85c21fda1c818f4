"""Poisson's distribution: how likely so few are, where so many are expected. Pure."""

import math

_ONE = 1 << 64
"""Sums are of integers in these parts of their first term: exact to a few of them."""
_EXACT_MAX = 10**6
"""Beyond, as where blocks are made for tests, the normal distribution is as near as anybody needs;
a sum would have a thousand terms and more."""


def poisson_at_most(found: int, expected: float) -> float:
    """Return how likely so few or fewer are where so many are expected."""
    if expected <= 0:
        return 1.0
    if expected > _EXACT_MAX:
        return 0.5 * math.erfc((expected - found - 0.5) / math.sqrt(2 * expected))
    # From the greatest term of a tail on they only fall, so no more than the last bit is lost.
    if found <= expected:
        return _term(found, expected) * _falling(found, expected)
    return 1.0 - _term(found + 1, expected) * _rising(found + 1, expected)


def _term(number: int, expected: float) -> float:
    """How likely exactly so many are."""
    return math.exp(number * math.log(expected) - expected - math.lgamma(number + 1))


def _falling(number: int, expected: float) -> float:
    """The terms of `number` and all below, by that of `number`."""
    times, by = expected.as_integer_ratio()
    term = whole = _ONE
    while term and number:
        term = term * number * by // times
        number -= 1
        whole += term
    return whole / _ONE


def _rising(number: int, expected: float) -> float:
    """The terms of `number` and all above, by that of `number`."""
    times, by = expected.as_integer_ratio()
    term = whole = _ONE
    while term:
        number += 1
        term = term * times // (number * by)
        whole += term
    return whole / _ONE
