"""A2: mining.subscribe. What is answered, which extranonce1 is given, and who gets one again."""

import itertools
from typing import Any

import pytest

from kench.stratum.extranonce import RESUMABLE_S
from kench.stratum.session import State
from tests.support.jobs import small_template
from tests.support.sessions import EASY_LIMITS, Miner, Pool, error_of, methods_of

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
HMAC = "3e74" * 16


@pytest.mark.rule("A2.1", "A2.2")
@pytest.mark.parametrize(
    "params",
    [
        [],
        ["cgminer/4.11.1"],
        ["cgminer/4.11.1", "5e55"],
        ["cgminer/4.11.1", None],
        ["Braiins OS 2019-06-05", None, "stratum.slushpool.com:3333", None],
        ["ua", None, "host", 3333],
        [None],
        [None, None],
        [7, 8],
        [[], {}],
        ["whatsminer/v1.0", "b08cf00d1"],
        ["NiceHash/1.0.0", "1662637786319", HMAC],
        ["ua", MD5],
        ["ua", 123456789],
        ["ua", {"a": 1}],
        ["ua", "x" * 5000],
        ["", ""],
    ],
    ids=str,
)
def test_every_form_of_subscribe_succeeds(miner: Miner, params: list[Any]) -> None:
    (answer,) = miner.say({"id": 1, "method": "mining.subscribe", "params": params})
    assert answer["error"] is None
    assert miner.session.state is State.SUBSCRIBED
    assert len(miner.extranonce1) == 4


@pytest.mark.rule("A2.3")
def test_the_answer_has_exactly_the_form_that_miners_read(miner: Miner) -> None:
    miner.say({"id": 1, "method": "mining.subscribe", "params": ["NerdMinerV2/V1.8.3"]})
    sid, extranonce1 = miner.session.session_id, miner.session.extranonce1.hex()
    assert (
        miner.raw
        == (
            f'{{"id":1,"result":[[["mining.set_difficulty","{sid}"],["mining.notify","{sid}"]],'
            f'"{extranonce1}",8],"error":null}}\n'
        ).encode()
    )


@pytest.mark.rule("A2.4")
@pytest.mark.parametrize("before", [[], ["mining.suggest_target"], ["mining.capabilities"]])
def test_the_answer_is_the_first_line_after_the_request(miner: Miner, before: list[str]) -> None:
    for method in before:
        assert miner.say({"id": None, "method": method, "params": []}) == []
    first, *more = miner.subscribe()
    assert len(first["result"]) == 3
    assert more == []


@pytest.mark.rule("A2.5")
def test_extranonces_are_four_and_eight_bytes(miner: Miner) -> None:
    (answer,) = miner.subscribe()
    _, extranonce1, extranonce2_size = answer["result"]
    assert len(bytes.fromhex(extranonce1)) == 4
    assert extranonce2_size == 8
    assert isinstance(extranonce2_size, int)


@pytest.mark.rule("A2.6")
def test_a_second_subscribe_gets_the_same_extranonce_and_no_new_work(miner: Miner) -> None:
    first = miner.subscribe()[0]["result"]
    assert [line["result"] for line in miner.subscribe()] == [first]
    miner.authorize()
    assert [line["result"] for line in miner.subscribe("other/2", "5e55")] == [first]
    assert miner.submit(miner.share())["result"] is True


def lose(miner: Miner, resubmitted: int = 1) -> tuple[Miner, list[list[str]]]:
    """Log in, find shares, and lose the connection before they are sent."""
    miner.login()
    shares = [miner.share() for _ in range(resubmitted)]
    miner.pool.end(miner)
    return miner, shares


@pytest.mark.rule("A2.7", "A8.16")
def test_a_miner_that_reconnects_resumes_and_its_last_shares_stay_valid(
    pool: Pool, miner: Miner
) -> None:
    before, shares = lose(miner, 3)
    pool.new_job()
    pool.clock.advance(100)
    again = pool.miner()
    again.subscribe("cgminer/4.11.1", before.session.session_id)
    assert again.extranonce1 == before.extranonce1
    again.authorize()
    assert again.difficulty == before.difficulty
    for share in shares:
        assert again.submit(share)["result"] is True
    assert error_of(again.submit(shares[0])) == 22


@pytest.mark.rule("A2.7")
def test_a_share_acknowledged_before_the_line_was_lost_is_a_duplicate_after(
    pool: Pool, miner: Miner
) -> None:
    miner.login()
    share = miner.share()
    assert miner.submit(share)["result"] is True
    pool.end(miner)
    again = pool.miner()
    again.subscribe("ua", miner.session.session_id)
    again.authorize()
    assert error_of(again.submit(share)) == 22


@pytest.mark.rule("A2.7")
def test_an_extranonce_in_use_or_long_ended_is_not_given_again(pool: Pool, miner: Miner) -> None:
    miner.login()
    live = pool.miner()
    live.subscribe("ua", miner.session.session_id)
    assert live.extranonce1 != miner.extranonce1
    pool.end(miner)
    pool.clock.advance(RESUMABLE_S + 1)
    late = pool.miner()
    late.subscribe("ua", miner.session.session_id)
    assert late.extranonce1 != miner.extranonce1


@pytest.mark.rule("A2.7")
def test_a_session_is_resumed_once(pool: Pool, miner: Miner) -> None:
    lose(miner)
    first, second = pool.miner(), pool.miner()
    first.subscribe("ua", miner.session.session_id)
    second.subscribe("ua", miner.session.session_id)
    assert first.extranonce1 == miner.extranonce1
    assert second.extranonce1 != miner.extranonce1


@pytest.mark.rule("A2.7")
def test_resuming_keeps_a_version_mask_that_was_asked_for_before(pool: Pool, miner: Miner) -> None:
    before, _ = lose(miner)
    again = pool.miner()
    again.call("mining.configure", ["version-rolling"], {})
    again.subscribe("ua", before.session.session_id)
    again.authorize()
    assert again.submit(again.share(bits=0x2000))["result"] is True


@pytest.mark.rule("A2.8")
def test_no_two_live_sessions_have_one_extranonce(pool: Pool) -> None:
    miners = [pool.miner() for _ in range(600)]
    for miner in miners:
        miner.subscribe()
    assert len({miner.extranonce1 for miner in miners}) == 600
    assert all(
        one.extranonce1[0] != next_one.extranonce1[0]
        for one, next_one in itertools.pairwise(miners)
    )


@pytest.mark.rule("A2.9")
def test_without_a_template_work_comes_when_there_is_one(pool: Pool, miner: Miner) -> None:
    pool.has_job = False
    assert methods_of(miner.subscribe()) == ["="]
    assert methods_of(miner.authorize()) == ["="]
    assert miner.session.state is State.WORKING
    pool.has_job = True
    assert methods_of(miner.give()) == ["mining.set_difficulty", "mining.notify"]
    assert miner.work is not None
    assert miner.work.params[-1] is True
    assert miner.submit(miner.share())["result"] is True


CONFIGURE = {"method": "mining.configure", "params": [["version-rolling"], {}]}
STEPS: dict[str, dict[str, Any]] = {
    "configure": CONFIGURE,
    "subscribe": {"method": "mining.subscribe", "params": ["ua"]},
    "suggest": {"method": "mining.suggest_difficulty", "params": [1e-9]},
    "extranonce": {"method": "mining.extranonce.subscribe", "params": []},
}


@pytest.mark.rule("A2.10", "A3.1")
@pytest.mark.parametrize(
    "order",
    [
        "configure subscribe authorize",
        "subscribe configure suggest authorize",
        "authorize subscribe",
        "authorize configure subscribe",
        "suggest configure subscribe authorize",
        "configure authorize suggest subscribe",
        "subscribe extranonce authorize",
    ],
)
def test_every_order_of_the_handshake_ends_in_work(miner: Miner, order: str) -> None:
    for step in order.split():
        assert miner.work is None, "work before subscription and login"
        lines = miner.authorize() if step == "authorize" else miner.say({"id": 1} | STEPS[step])
        assert lines[0]["error"] is None
    assert miner.session.state is State.WORKING
    assert miner.submit(miner.share())["result"] is True


def test_subscribing_begins_nothing_where_the_pool_moved_on(pool: Pool) -> None:
    pool.new_job(small_template(prevhash_le=bytes(31) + b"\x01"))
    miner = pool.miner(EASY_LIMITS).login()
    assert miner.work is not None
    assert miner.work.job_id == f"{pool.job.key:x}"
