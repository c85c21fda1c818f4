"""Totals are the exact sum of credited work, whatever the order or the cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.totals import Total, add_totals, totals_of, work_by_participant
from kench.pool.journal.format import SHARE, Flag, JournalCorruptError
from kench.pool.work import work_of

SHARES = st.lists(
    st.tuples(
        st.integers(1, 2**32 - 1) | st.integers(1, 3),
        st.integers(1, 2**32 - 1) | st.integers(1, 3),
        st.sampled_from([2.0**-33, 1e-6, 0.1, 1.0, 65536.0, 123_456_789.0, 2.0**60])
        | st.floats(1e-9, 1e18),
        st.sampled_from([0, 0, Flag.BLOCK, Flag.UNCREDITED, Flag.BLOCK | Flag.UNCREDITED]),
    ),
    max_size=60,
)


def records_of(shares: list[tuple[int, int, float, int]]) -> np.ndarray:  # type: ignore[type-arg]
    records = np.zeros(len(shares), SHARE)
    for record, (participant, worker, difficulty, flags) in zip(records, shares, strict=True):
        record["participant"], record["worker"] = participant, worker
        record["difficulty"], record["flags"] = difficulty, flags
    return records


@given(SHARES)
def test_totals_equal_the_plain_sum(shares: list[tuple[int, int, float, int]]) -> None:
    expected: dict[tuple[int, int], Total] = {}
    for participant, worker, difficulty, flags in shares:
        if not flags & Flag.UNCREDITED:
            before = expected.get((participant, worker), Total(0, 0))
            expected[participant, worker] = Total(
                before.accepted + 1, before.work_hashes + work_of(difficulty)
            )
    assert totals_of(records_of(shares)) == expected


@given(SHARES, st.integers(0, 60))
def test_totals_of_parts_sum_to_the_totals_of_the_whole(
    shares: list[tuple[int, int, float, int]], cut: int
) -> None:
    records = records_of(shares)
    assert add_totals([totals_of(records[:cut]), totals_of(records[cut:])]) == totals_of(records)


def test_work_beyond_64_bits_is_exact() -> None:
    records = records_of([(1, 1, 2.0**62, 0)] * 3 + [(1, 2, 2.0**62, 0)])
    assert work_by_participant(totals_of(records)) == {1: 4 * work_of(2.0**62)}
    assert work_of(2.0**62) > 2**90


def test_neighbouring_doubles_are_two_difficulties() -> None:
    near = float(np.nextafter(0.1, 1.0))
    records = records_of([(1, 1, 0.1, 0), (1, 1, near, 0)])
    assert totals_of(records) == {(1, 1): Total(2, work_of(0.1) + work_of(near))}


def test_a_record_with_no_difficulty_is_refused() -> None:
    with pytest.raises(JournalCorruptError, match="difficulty"):
        totals_of(records_of([(1, 1, 0.0, 0)]))
    with pytest.raises(TypeError):
        totals_of(np.zeros(3, np.uint8))
