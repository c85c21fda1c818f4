"""A window is exactly the work that its order says, cut inside its oldest share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.methods.pplns import Pplns, window_hashes

CREDITS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 30)), max_size=30)


def test_of_the_oldest_share_only_what_fits_counts() -> None:
    window = Pplns(25)
    assert window.take([(1, 10), (2, 10), (3, 10), (4, 10)]) == 3
    assert window.work_hashes() == {1: 10, 2: 10, 3: 5}
    assert window.room_hashes == 0


def test_a_window_that_ends_between_two_shares_cuts_none() -> None:
    window = Pplns(20)
    assert window.take([(1, 10), (2, 10), (3, 10)]) == 2
    assert window.work_hashes() == {1: 10, 2: 10}


def test_a_share_larger_than_the_window_fills_it() -> None:
    window = Pplns(7)
    window.take([(1, 10), (2, 10)])
    assert window.work_hashes() == {1: 7}


@given(CREDITS, st.integers(1, 600))
def test_the_window_is_exact_or_all_there_is(credited: list[tuple[int, int]], hashes: int) -> None:
    window = Pplns(hashes)
    window.take(credited)
    everything = sum(work for _, work in credited)
    assert sum(window.work_hashes().values()) == min(hashes, everything)


@given(CREDITS, st.integers(1, 600), st.integers(0, 30))
def test_work_taken_whole_is_that_taken_share_by_share(
    credited: list[tuple[int, int]], hashes: int, cut: int
) -> None:
    plain = Pplns(hashes)
    plain.take(credited)
    window = Pplns(hashes)
    for part in (credited[:cut], credited[cut:]):
        work_hashes: dict[int, int] = {}
        for who, work in part:
            work_hashes[who] = work_hashes.get(who, 0) + work
        if not window.hold(sum(work_hashes.values())):
            window.take(part)
            break
        window.fill(work_hashes)
    assert window.work_hashes() == plain.work_hashes()


def test_work_that_does_not_fit_whole_is_not_taken_at_all() -> None:
    window = Pplns(10)
    assert not window.hold(11)
    assert (window.room_hashes, window.work_hashes()) == (10, {})


@pytest.mark.parametrize(
    ("window_ppm", "network", "hashes"),
    [(2_000_000, 500, 1000), (1_999_999, 500, 999), (1, 3, 1), (1, 2**256, 2**256 // 10**6)],
)
def test_a_window_is_rounded_down_and_never_empty(
    window_ppm: int, network: int, hashes: int
) -> None:
    assert window_hashes(window_ppm, network) == hashes


@pytest.mark.parametrize(("window_ppm", "network"), [(0, 5), (-1, 5), (5, 0)])
def test_a_window_of_nothing_is_refused(window_ppm: int, network: int) -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        window_hashes(window_ppm, network)
