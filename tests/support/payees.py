"""Venues to pay for tests that need no order behind them.

outputs_by_weight(reward_sat, [Venue("one", 3, PAY_SCRIPT), ...])
"""

from typing import NamedTuple

from hypothesis import strategies as st

from kench.pool.coinbase_outputs import Payee


class Venue(NamedTuple):
    """A venue that no order names."""

    venue: str
    weight: int
    script: bytes


def venue(number: int, weight: int = 1) -> Payee:
    """Return a venue with a script of its own."""
    return Venue(f"venue{number:02}", weight, b"\x00\x14" + number.to_bytes(20, "big"))


def lists_of_venues(most: int = 12) -> st.SearchStrategy[list[Payee]]:
    """Draw lists of venues, with weights from alike to far apart."""
    weights = st.one_of(st.integers(1, 5), st.integers(1, 1000), st.integers(1, 10**6))
    return st.lists(weights, min_size=1, max_size=most).map(
        lambda drawn: [venue(number, weight) for number, weight in enumerate(drawn)]
    )
