"""Lots hold exactly a block's outputs, participants exactly their credits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.sale.shares import SharesDisagreeError, shares_of_outputs, with_carried

CREDITS = st.dictionaries(st.integers(0, 2**31), st.integers(0, 10**9), min_size=1, max_size=30)


@given(CREDITS, st.data())
def test_the_sums_fit_both_ways(credits_sat: dict[int, int], data: st.DataObject) -> None:
    left = sum(credits_sat.values())
    outputs = []
    for _ in range(data.draw(st.integers(0, 4))):
        outputs.append(data.draw(st.integers(0, left)))
        left -= outputs[-1]
    outputs.append(left)
    lots = shares_of_outputs(outputs, credits_sat)
    assert [sum(lot.values()) for lot in lots] == outputs
    assert all(share > 0 for lot in lots for share in lot.values())
    assert {who: sum(lot.get(who, 0) for lot in lots) for who in credits_sat} == credits_sat


def test_outputs_that_are_not_the_credits_make_no_lots() -> None:
    with pytest.raises(SharesDisagreeError, match="kench verify"):
        shares_of_outputs([5, 6], {1: 10})


def test_a_remainder_joins_the_shares_of_the_next_lot() -> None:
    assert with_carried({1: 10, 3: 5}, {3: 1, 2: 2}) == {1: 10, 2: 2, 3: 6}
