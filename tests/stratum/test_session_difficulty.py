"""A6: difficulty. What is sent, in which order, and which one judges a share."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.work import EASIEST_DIFFICULTY, target_of, wire_difficulty
from tests.support.jobs import large_template, small_template
from tests.support.sessions import EASY_LIMITS, Miner, Pool, easy_limits, error_of, methods_of

NETWORK_1 = 0xFFFF << 208
TEN, HUNDRED, THOUSAND = 10 * EASIEST_DIFFICULTY, 100 * EASIEST_DIFFICULTY, 1e3 * EASIEST_DIFFICULTY


def at(pool: Pool, **limits: float) -> Miner:
    """A miner that logged in under other limits."""
    return pool.miner(easy_limits(**limits)).login()  # type: ignore[arg-type] # fields


def retarget(miner: Miner, difficulty: float, *, clean: bool = False) -> list[dict[str, Any]]:
    """Send a job of another difficulty, as the front does after a judgement."""
    miner.session.difficulty.wish(difficulty)
    miner.pool.new_job()
    return miner.give(clean=clean)


@pytest.mark.rule("A6.1")
def test_difficulty_comes_before_the_first_job_which_is_clean(miner: Miner) -> None:
    assert methods_of(miner.subscribe()) == ["="]
    assert methods_of(miner.authorize()) == ["=", "mining.set_difficulty", "mining.notify"]
    assert miner.work is not None
    assert miner.work.params[-1] is True


@pytest.mark.rule("A6.1")
def test_who_subscribes_and_then_idles_gets_nothing(pool: Pool, miner: Miner) -> None:
    miner.subscribe()
    pool.clock.advance(30)
    miner.session.sweep(pool.clock.monotonic())
    assert miner.feed(b"") == []
    assert miner.work is None


@pytest.mark.rule("A6.2")
@pytest.mark.parametrize(
    ("start", "sent"),
    [
        (1024.0, b"1024"),
        (1.0, b"1"),
        (65_536.7, b"65536"),
        (1.999, b"1"),
        (0.0005, b"0.0005"),
        (0.00015, b"0.00015"),
        (0.5, b"0.5"),
        (1e-7, b"0.0000001"),
        (2.5e-9, b"0.0000000025"),
        (2.0**62, b"4611686018427387904"),
    ],
)
def test_whole_difficulties_are_json_integers_and_fractions_have_no_exponent(
    pool: Pool, start: float, sent: bytes
) -> None:
    miner = at(pool, start=start)
    assert b'"mining.set_difficulty","params":[' + sent + b"]}\n" in miner.raw


@pytest.mark.rule("A6.3")
@given(wished=st.floats(min_value=EASIEST_DIFFICULTY, max_value=1e-7))
def test_what_is_credited_is_exactly_what_was_sent(wished: float) -> None:
    pool = Pool()
    miner = at(pool, start=wished)
    assert miner.submit(miner.share())["result"] is True
    (record,) = pool.taken()
    assert float(record["difficulty"]) == miner.difficulty
    assert target_of(miner.difficulty) == target_of(float(record["difficulty"]))


@pytest.mark.rule("A6.4")
def test_each_difficulty_is_followed_at_once_by_one_job(miner: Miner) -> None:
    miner.login()
    for difficulty in (TEN, HUNDRED, TEN, TEN):
        before = miner.difficulty
        lines = methods_of(retarget(miner, difficulty))
        changed = ["mining.set_difficulty"] if difficulty != before else []
        assert lines == [*changed, "mining.notify"]
    miner.session.difficulty.wish(HUNDRED)
    assert miner.feed(b"") == [], "a wish alone sends nothing"


@pytest.mark.rule("A6.5")
def test_raised_difficulty_leaves_earlier_jobs_at_the_old_one(pool: Pool) -> None:
    miner = at(pool, start=TEN)
    first = miner.work
    retarget(miner, THOUSAND)
    early = miner.share(work=first, easier=TEN, harder=THOUSAND)
    assert miner.submit(early)["result"] is True
    assert error_of(miner.submit(miner.share(easier=TEN, harder=THOUSAND))) == 23
    assert miner.submit(miner.share(easier=THOUSAND))["result"] is True
    assert [float(one["difficulty"]) for one in pool.taken()] == [TEN, THOUSAND]


@pytest.mark.rule("A6.5")
def test_lowered_difficulty_counts_at_once_for_earlier_jobs_too(pool: Pool) -> None:
    miner = at(pool, start=THOUSAND)
    first = miner.work
    retarget(miner, TEN)
    assert miner.submit(miner.share(work=first, easier=TEN, harder=THOUSAND))["result"] is True
    assert miner.submit(miner.share(work=first, easier=THOUSAND))["result"] is True
    assert miner.submit(miner.share(easier=TEN, harder=THOUSAND))["result"] is True
    assert {float(one["difficulty"]) for one in pool.taken()} == {TEN}


@pytest.mark.rule("A6.5")
@given(steps=st.lists(st.sampled_from([1, 2, 4, 8, 16, 32]), min_size=1, max_size=12))
def test_no_share_is_credited_above_what_its_job_was_sent_with(steps: list[int]) -> None:
    pool = Pool()
    miner = at(pool, start=EASIEST_DIFFICULTY)
    works = [miner.work]
    for step in steps:
        retarget(miner, step * EASIEST_DIFFICULTY)
        works.append(miner.work)
    for work in works:
        assert work is not None
        assert miner.submit(miner.share(work=work))["result"] is True
        (record,) = pool.taken()
        later = [one.difficulty for one in works[works.index(work) :] if one is not None]
        assert float(record["difficulty"]) <= work.difficulty
        assert float(record["difficulty"]) == min(later)


@pytest.mark.rule("A6.6")
@pytest.mark.parametrize("value", [64, 0.00015, 1000, 1000.5, "512", 1e300])
def test_a_suggestion_is_answered_true_wherever_it_comes(miner: Miner, value: object) -> None:
    for step in (None, miner.subscribe, miner.authorize):
        if step is not None:
            step()
        (answer,) = miner.call("mining.suggest_difficulty", value)
        assert answer["result"] is True
        assert answer["error"] is None


@pytest.mark.rule("A6.6")
def test_a_suggestion_before_anything_else_sets_the_start(miner: Miner) -> None:
    miner.call("mining.suggest_difficulty", 64)
    miner.login()
    assert miner.difficulty == 64


@pytest.mark.rule("A6.6")
def test_a_repeated_suggestion_is_a_keep_alive_and_sends_no_difficulty(miner: Miner) -> None:
    miner.login()
    miner.call("mining.suggest_difficulty", TEN)
    miner.pool.new_job()
    miner.give()
    retarget(miner, HUNDRED)
    for _ in range(5):
        assert methods_of(miner.call("mining.suggest_difficulty", TEN)) == ["="]
        miner.pool.new_job()
        assert methods_of(miner.give()) == ["mining.notify"]
    assert miner.difficulty == HUNDRED


@pytest.mark.rule("A6.6")
@pytest.mark.parametrize("value", [0, -1, None, "x", [], True, "1e400", "", 10**4000])
def test_a_senseless_suggestion_changes_nothing_and_drops_nobody(
    miner: Miner, value: object
) -> None:
    (answer,) = miner.call("mining.suggest_difficulty", value)
    assert answer["result"] is True
    assert miner.session.difficulty.start == EASY_LIMITS.difficulty.start


@pytest.mark.rule("A6.7")
@pytest.mark.parametrize("target", [NETWORK_1, NETWORK_1 // 64, 2**256 - 1, 1])
def test_a_suggested_target_is_taken_in_silence_before_subscribing(pool: Pool, target: int) -> None:
    miner = pool.miner()
    request = {"id": None, "method": "mining.suggest_target", "params": [f"{target:064x}"]}
    assert miner.say(request) == []
    miner.login()
    assert target_of(miner.difficulty) >= min(target, NETWORK_1 >> 64)
    assert miner.difficulty <= EASY_LIMITS.difficulty.highest


@pytest.mark.rule("A6.7")
@pytest.mark.parametrize("target", ["0" * 64, "xyz", "f" * 63, "f" * 65, 7, None, "٣" * 64])
def test_a_senseless_target_changes_nothing(miner: Miner, target: object) -> None:
    assert miner.call("mining.suggest_target", target)[0]["result"] is True
    assert miner.session.difficulty.start == EASY_LIMITS.difficulty.start


@pytest.mark.rule("A6.8")
def test_capabilities_by_notification_are_met_with_silence(miner: Miner) -> None:
    request = {"id": None, "method": "mining.capabilities", "params": [{"suggesttarget": "ff"}]}
    assert miner.say(request) == []
    assert miner.session.closing is None


@pytest.mark.rule("A6.9", "A10.1", "A10.2")
@pytest.mark.parametrize(
    ("agent", "floor"),
    [
        ("NiceHash/1.0.0", 524_288),
        ("nicehash/2", 524_288),
        ("MRR-Hash/1.0.0", 1_000_000),
        ("MiningRigRentals/Test/1.0", 1_000_000),
        ("cgminer/4.11.1", 0),
        ("xNiceHash/1", 0),
    ],
)
def test_rented_hash_power_has_a_floor_that_vardiff_keeps(
    pool: Pool, agent: str, floor: float
) -> None:
    miner = pool.miner()
    miner.subscribe(agent)
    miner.authorize()
    assert miner.difficulty == (floor or EASIEST_DIFFICULTY)
    pool.clock.advance(3600)
    miner.session.sweep(pool.clock.monotonic())
    pool.new_job()
    miner.give()
    assert miner.difficulty == (floor or EASIEST_DIFFICULTY)


@pytest.mark.rule("A6.9", "A8.14")
def test_no_difficulty_is_harder_than_the_network_whatever_is_wished(pool: Pool) -> None:
    pool.new_job(small_template(block_target=NETWORK_1))
    miner = at(pool, start=1e6, lowest=1e5)
    assert miner.difficulty == 1
    miner.call("mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 5000})
    retarget(miner, 1e9)
    assert miner.difficulty == 1
    pool.new_job(large_template())
    miner.give()
    assert target_of(miner.difficulty) >= large_template().block_target


@pytest.mark.rule("A6.10")
@pytest.mark.parametrize("difficulty", [EASIEST_DIFFICULTY, 1e-9, 3e-8])
def test_difficulties_below_one_work_from_end_to_end(pool: Pool, difficulty: float) -> None:
    miner = at(pool, start=difficulty)
    assert miner.difficulty == difficulty
    assert target_of(difficulty) > NETWORK_1
    assert miner.submit(miner.share(easier=difficulty))["result"] is True
    if difficulty > EASIEST_DIFFICULTY:
        worse = miner.share(easier=EASIEST_DIFFICULTY, harder=difficulty)
        assert error_of(miner.submit(worse)) == 23


@pytest.mark.rule("A6.11")
def test_a_hash_with_its_top_bits_set_is_a_share_where_the_target_allows_it(pool: Pool) -> None:
    miner = at(pool, start=EASIEST_DIFFICULTY)
    top_bit = miner.share(easier=EASIEST_DIFFICULTY, harder=2 * EASIEST_DIFFICULTY)
    assert miner.submit(top_bit)["result"] is True


FINITE = st.floats(min_value=1e-30, max_value=1e30)


@given(
    wished=FINITE, floor=FINITE, start=FINITE, ceiling=FINITE, network=st.integers(1, 2**256 - 1)
)
def test_bounds_hold_for_every_wish(
    wished: float, floor: float, start: float, ceiling: float, network: int
) -> None:
    limits = easy_limits(start=start, lowest=floor, highest=ceiling)
    pool = Pool(limits, small_template(block_target=network))
    miner = pool.miner().login()
    retarget(miner, wished)
    sent = miner.difficulty
    assert sent > 0
    assert math.isfinite(sent)
    assert sent <= ceiling
    assert target_of(sent) >= network
    assert sent < 1 or sent == int(sent)
    lowest = min(floor, ceiling, pool.job.network_difficulty)
    assert sent >= (math.floor(lowest) if lowest >= 1 else lowest)
    assert "e" not in wire_difficulty(sent).lower()
