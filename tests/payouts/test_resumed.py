"""A solution that a resumed session brings to a second journal is credited once."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.payouts import resumed
from kench.payouts.merge import Merged
from kench.payouts.resumed import Repeats, uncredit
from kench.pool.coinbase import EXTRANONCE1_COUNTER_BITS
from kench.pool.journal.format import SHARE, Flag

JOURNALS = (0, 1, 4095)
# Journal, giver of the extranonce1, job, solution, refused: a small world, so that much repeats.
SHARES = st.lists(
    st.tuples(
        st.sampled_from(JOURNALS),
        st.sampled_from(JOURNALS),
        st.integers(1, 2),
        st.integers(0, 2),
        st.booleans(),
    ),
    max_size=30,
)
Share = tuple[int, int, int, int, bool]


def merged_of(shares: list[Share]) -> Merged:
    records = np.zeros(len(shares), SHARE)
    sequences = dict.fromkeys(JOURNALS, 0)
    for index, (number, giver, job_key, nonce, refused) in enumerate(shares):
        record = records[index]
        record["sequence"], record["time_us"] = sequences[number], 100 + index
        sequences[number] += 1
        extranonce1 = (7 | giver << EXTRANONCE1_COUNTER_BITS).to_bytes(4, "little")
        record["extranonce1"] = np.frombuffer(extranonce1, np.uint8)
        record["job_key"], record["nonce"] = job_key, nonce
        record["flags"] = Flag.UNCREDITED if refused else 0
    return Merged(records, np.array([one[0] for one in shares], np.uint32), sequences)


def said_plainly(shares: list[Share]) -> list[int]:
    first: dict[tuple[int, ...], int] = {}
    return [
        index
        for index, (number, *solution, refused) in enumerate(shares)
        if not refused and first.setdefault(tuple(solution), number) != number
    ]


def found_in_chunks(shares: list[Share], chance: random.Random) -> list[int]:
    """Ask in chunks; sometimes by one who begins anew, as settlement after a failure."""
    whole = merged_of(shares)

    def read_back(number: int, _job_key: int, end: int) -> list[np.ndarray]:  # type: ignore[type-arg]
        return [whole.records[whole.numbers == number][:end]]

    repeats, found, start = Repeats(read_back), [], 0
    while start < len(shares):
        end = chance.randint(start + 1, len(shares))
        starts = {number: int((whole.numbers[:start] == number).sum()) for number in JOURNALS}
        chunk = Merged(whole.records[start:end], whole.numbers[start:end], {})
        found += [start + position for position in repeats.find(chunk, starts)]
        start = end
        if chance.random() < 0.3:
            repeats = Repeats(read_back, repeats.watched)
    return found


@settings(deadline=None)
@given(SHARES, st.randoms())
def test_the_later_of_two_is_found_whatever_the_chunks(
    shares: list[Share], chance: random.Random
) -> None:
    # A solution of one journal is there once: its front sees to that.
    unlike = list(dict.fromkeys(share[:4] for share in shares if not share[4]))
    assert found_in_chunks([(*share, False) for share in unlike], chance) == said_plainly(
        [(*share, False) for share in unlike]
    )
    assert found_in_chunks(shares, chance) == said_plainly(shares)


@settings(deadline=None)
@given(SHARES, st.randoms())
def test_the_bound_of_solutions_in_memory_changes_nothing(
    shares: list[Share], chance: random.Random
) -> None:
    before = resumed.SOLUTIONS_MAX
    try:
        resumed.SOLUTIONS_MAX = 1
        assert found_in_chunks(shares, chance) == said_plainly(shares)
    finally:
        resumed.SOLUTIONS_MAX = before


def test_where_no_session_was_resumed_nothing_is_read_back() -> None:
    def read_back(*_: int) -> list[np.ndarray]:  # type: ignore[type-arg]
        raise AssertionError("nobody asked for that")

    repeats = Repeats(read_back)
    merged = merged_of([(0, 0, 1, 1, False), (1, 1, 1, 1, False), (0, 0, 1, 2, True)])
    assert repeats.find(merged, dict.fromkeys(JOURNALS, 0)) == []
    assert repeats.watched == set()


def test_what_is_uncredited_stays_as_it_was_read() -> None:
    merged = merged_of([(0, 0, 1, 1, False), (1, 0, 1, 1, False)])
    assert uncredit(merged, [1]).records["flags"].tolist() == [0, Flag.UNCREDITED]
    assert merged.records["flags"].tolist() == [0, 0]
