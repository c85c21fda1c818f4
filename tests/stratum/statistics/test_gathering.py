"""Windows, exact work, rows: what is counted is what the records say, whatever the pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.native import Verdict
from kench.pool.journal import SHARE, Flag
from kench.pool.work import work_of
from kench.stratum.statistics import workers as worker_rows
from kench.stratum.statistics.copying import NEVER
from kench.stratum.statistics.gathering import BUCKET_S, HASHRATES, Gathering
from kench.stratum.statistics.outcomes import Outcome
from kench.stratum.statistics.windows import Ring
from kench.stratum.statistics.work import Works, joined, limbs_of
from kench.stratum.statistics.workers import WorkerRows

START_S = 1_700_000_400  # a bucket begins here
DIFFICULTIES = st.one_of(
    st.sampled_from([1.0, 65_536.0, 3.5, 2.0**63, 1e-9]),
    st.floats(2.0**-32, 2.0**63, allow_nan=False),
)
SHARES = st.lists(
    st.tuples(st.integers(0, 1500), st.integers(0, 6), DIFFICULTIES, st.booleans()), max_size=60
)


def records_of(shares: list[tuple[int, int, float, bool]]) -> np.ndarray:  # type: ignore[type-arg]
    """Records of (second, worker, difficulty, credited), in the order of time."""
    records = np.zeros(len(shares), SHARE)
    for record, (second, worker, difficulty, credited) in zip(records, sorted(shares), strict=True):
        record["time_us"] = (START_S + second) * 1_000_000
        record["worker"] = worker
        record["participant"] = worker // 2 + (worker > 0)
        record["difficulty"] = difficulty
        record["flags"] = 0 if credited else Flag.UNCREDITED
    return records


@given(shares=SHARES, pieces=st.lists(st.integers(0, 60), max_size=4))
def test_buckets_hold_the_exact_work_of_credited_shares_however_they_are_cut(
    shares: list[tuple[int, int, float, bool]], pieces: list[int]
) -> None:
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    for second, worker, difficulty, credited in shares:
        if credited:
            key = ((START_S + second) // BUCKET_S * BUCKET_S, worker)
            count, work = expected.get(key, (0, 0))
            expected[key] = (count + 1, work + work_of(difficulty))
    gathering = Gathering()
    gathering.advance(START_S + 1500)
    for piece in np.split(records_of(shares), sorted(pieces)):
        gathering.fold(piece)
    found = {(one.bucket_s, one.worker): (one.accepted, one.work_hashes)
             for one in gathering.credited()}  # fmt: skip
    assert found == expected


@given(shares=SHARES)
def test_a_window_has_the_work_of_its_time_and_nothing_older(
    shares: list[tuple[int, int, float, bool]],
) -> None:
    gathering = Gathering()
    now_s = START_S + 1500
    gathering.advance(now_s)
    gathering.fold(records_of(shares))
    rates = gathering.hashrates(now_s)
    for name, (step_s, steps) in HASHRATES.items():
        begins_s = (now_s // step_s - steps + 1) * step_s
        work = sum(
            work_of(difficulty)
            for second, worker, difficulty, credited in shares
            if credited and worker == 3 and START_S + second >= begins_s
        )
        row = gathering.workers.row(2, 3)
        found = rates[name][row] if row < len(rates[name]) else 0.0
        assert found * (now_s - begins_s) == pytest.approx(work)


def test_work_that_has_moved_out_of_a_window_is_gone() -> None:
    ring = Ring(10, 6)
    ring.resize(1)
    ring.advance(1000)
    ring.add_at(1000, 0, 7)
    for now_s, left in ((1049, 7), (1059, 7), (1060, 0), (99_000, 0)):
        ring.advance(now_s)
        assert ring.sums()[0] == left
    ring.add_at(98_000, 0, 7)
    assert ring.sums()[0] == 0


def test_a_window_is_as_long_as_its_steps_but_for_the_rest_of_the_present_one() -> None:
    ring = Ring(10, 6)
    ring.advance(1004.5)
    assert ring.covered_s(1004.5) == 54.5
    ring.advance(1009.9)
    assert ring.covered_s(1009.9) == pytest.approx(59.9)


def test_refusals_count_by_outcome_for_the_worker_and_the_pool() -> None:
    gathering = Gathering()
    gathering.advance(START_S)
    tally = {
        (1, 5, Verdict.STALE, "a"): 2,
        (1, 5, Verdict.JOB_NOT_FOUND, "b"): 1,
        (1, 5, Verdict.INVALID_HEX, "b"): 4,
        (0, 0, Verdict.UNAUTHORISED, ""): 9,
    }
    gathering.refuse(tally, START_S)
    counted, row = gathering.counted(), gathering.workers.row(1, 5)
    assert [int(counted[outcome][row]) for outcome in Outcome] == [0, 3, 0, 0, 4]
    assert int(counted[Outcome.OTHER][0]) == 9
    covered_s = gathering.pool[Outcome.OTHER].covered_s(START_S)
    assert gathering.shares_per_s(START_S)[Outcome.OTHER] == pytest.approx(13 / covered_s)


def test_replayed_records_fill_the_short_windows_alone() -> None:
    gathering = Gathering()
    gathering.advance(START_S + 30)
    gathering.fold(records_of([(0, 3, 1.0, True)]), counted=False)
    rates = gathering.hashrates(START_S + 30)
    row = gathering.workers.row(2, 3)
    assert [rates[name][row] > 0 for name in HASHRATES] == [True, True, False, False]
    assert not gathering.buckets
    assert int(gathering.counted()[Outcome.ACCEPTED][row]) == 0


def test_a_record_from_the_future_counts_as_one_of_now() -> None:
    gathering = Gathering()
    gathering.advance(START_S)
    gathering.fold(records_of([(1400, 3, 1.0, True)]), now_s=float(START_S))
    (credited,) = gathering.credited()
    assert credited.bucket_s == START_S
    assert int(gathering.last_shares()[gathering.workers.row(2, 3)]) == START_S * 1_000_000


def test_idle_workers_are_forgotten_and_the_others_keep_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kench.stratum.statistics.gathering.STRIDE", 2)
    gathering = Gathering()
    gathering.advance(START_S)
    gathering.fold(records_of([(0, worker, 1.0, True) for worker in range(1, 7)]))
    gathering.buckets.clear()
    gathering.advance(START_S + 86_400 * 2)
    late = records_of([(86_400 * 2, 4, 3.0, True)])
    gathering.fold(late)
    gathering.buckets.clear()
    assert gathering.forget_idle(np.array([6], np.uint32))
    assert gathering.workers.workers.tolist() == [0, 4, 6]
    gathering.fold(late)
    rate = gathering.hashrates(START_S + 86_400 * 2)["1m"]
    assert rate[gathering.workers.row(3, 4)] == pytest.approx(2 * work_of(3.0) / 50)
    assert rate[gathering.workers.row(4, 6)] == 0
    assert int(gathering.last_shares()[gathering.workers.row(4, 6)]) == START_S * 1_000_000


def test_workers_past_the_bounds_are_counted_as_the_unknown_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_rows, "WORKERS_MAX", 3)
    rows = WorkerRows()
    ids = np.array([5, 9, 2**31, 7, 5], np.uint32)
    assert rows.of(ids, ids).tolist() == [1, 0, 0, 2, 1]


def test_workers_new_to_the_pool_have_no_last_share() -> None:
    gathering = Gathering()
    rows = gathering.rows_of(np.array([1], np.uint32), np.array([8], np.uint32))
    assert gathering.last_shares()[rows].tolist() == [NEVER]


@given(st.integers(0, 2**128 - 1))
def test_limbs_put_together_are_the_work(work_hashes: int) -> None:
    assert joined(limbs_of(work_hashes)) == work_hashes


@given(st.lists(st.lists(DIFFICULTIES, min_size=1, max_size=9), max_size=5))
def test_works_are_exact_for_all_difficulties_learned_in_turn(batches: list[list[float]]) -> None:
    works = Works()
    for batch in batches:
        floats, limbs = works.of(np.array(batch))
        assert [joined(one) for one in limbs.T.tolist()] == [work_of(one) for one in batch]
        assert floats.tolist() == [float(work_of(one)) for one in batch]


def test_a_difficulty_that_nobody_can_have_been_sent_is_worth_nothing() -> None:
    floats, _ = Works().of(np.array([float("nan"), -1.0, 0.0, float("inf"), 1e300, 2.0]))
    assert floats.tolist() == [0, 0, 0, 0, 0, float(work_of(2.0))]
