"""Work is weighed exactly: as many blocks as its hashes should find, of each difficulty."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.inspections.weighing import Weighed, weigh

PARTS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 10**24), st.integers(0, 10**30)), max_size=20
)


@given(PARTS)
def test_expected_blocks_are_the_sum_of_work_by_difficulty(
    parts: list[tuple[int, int, int]],
) -> None:
    weighed = weigh(parts)
    assert weighed.keys() == {one for one, _, _ in parts}
    for participant, blocks in weighed.items():
        mine = [(block, work) for one, block, work in parts if one == participant]
        exact = sum(Fraction(work, block) for block, work in mine)
        assert blocks.expected == pytest.approx(float(exact), rel=1e-14)
        assert blocks.work_hashes == sum(work for _, work in mine)


def test_twice_the_difficulty_is_half_the_blocks() -> None:
    assert weigh([(1, 10**22, 10**23), (1, 2 * 10**22, 10**23)]) == {1: Weighed(15.0, 2 * 10**23)}
