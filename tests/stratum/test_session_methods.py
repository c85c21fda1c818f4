"""A9 and A10: the other methods, idle miners, proxies and rentals."""

import json

import pytest

from tests.support.sessions import (
    TOKEN,
    Miner,
    Pool,
    easy_limits,
    error_of,
    methods_of,
)


@pytest.mark.rule("A9.1")
@pytest.mark.parametrize("method", ["mining.get_transactions", "mining.get_txnhashes"])
def test_transactions_are_not_sent_and_the_refusal_is_short(miner: Miner, method: str) -> None:
    miner.login()
    for number in range(20):
        request = {"id": f"txlist{number}", "method": method, "params": ["4f"]}
        (answer,) = miner.say(request)
        assert answer == {
            "id": f"txlist{number}",
            "result": None,
            "error": [20, "Not supported", None],
        }


@pytest.mark.rule("A9.3")
@pytest.mark.parametrize("params", [[1], [], None, [1, 2, 3]])
def test_multi_version_is_true_and_no_notification_follows(miner: Miner, params: object) -> None:
    miner.login()
    request = {"id": 183506, "method": "mining.multi_version", "params": params}
    assert miner.say(request) == [{"id": 183506, "result": True, "error": None}]


@pytest.mark.rule("A9.4", "A9.5", "A9.6", "A5.4")
def test_a_session_asks_miners_nothing_of_its_own_accord(pool: Pool, miner: Miner) -> None:
    miner.call("mining.configure", ["version-rolling", "subscribe-extranonce"], {})
    miner.login()
    for _ in range(20):
        pool.clock.advance(25)
        pool.new_job()
        miner.give()
        miner.session.sweep(pool.clock.monotonic())
        miner.submit(miner.share())
    for method in (b"client.", b"mining.ping", b"set_extranonce", b"show_message"):
        assert method not in miner.raw


@pytest.mark.rule("A9.7")
def test_a_ping_is_answered_with_pong_at_any_time(miner: Miner) -> None:
    for step in (None, miner.subscribe, miner.authorize):
        if step is not None:
            step()
        (answer,) = miner.say({"id": 42, "method": "mining.ping", "params": []})
        assert answer == {"id": 42, "result": "pong", "error": None}


@pytest.mark.rule("A9.9", "A10.1")
def test_a_working_session_may_be_silent_for_a_week(pool: Pool, miner: Miner) -> None:
    miner.login()
    for _ in range(7 * 24):
        pool.clock.advance(3600)
        miner.session.sweep(pool.clock.monotonic())
    assert miner.session.closing is None
    assert miner.submit(miner.share(ntime=pool.clock.now_us() // 1_000_000))["result"] is True


@pytest.mark.rule("A10.2")
def test_a_rentals_probe_gets_work_at_once_and_leaves_nothing_behind(pool: Pool) -> None:
    probe = pool.miner()
    probe.subscribe("MiningRigRentals/Test/1.0")
    _, difficulty, notify = probe.authorize()
    assert difficulty["params"][0] == 1_000_000
    assert notify["params"][-1] is True
    assert len(pool.taken()) == 0
    assert pool.table.take_tally() == {}


@pytest.mark.rule("A10.2")
@pytest.mark.parametrize("by", ["password", "suggestion"])
@pytest.mark.parametrize("wished", [250_000, 4_000_000])
def test_a_rig_gets_within_half_of_the_difficulty_it_asks_for(
    pool: Pool, by: str, wished: int
) -> None:
    rig = pool.miner()
    rig.subscribe("MRR-Hash/1.0.0")
    if by == "suggestion":
        rig.call("mining.suggest_difficulty", wished)
    rig.authorize("1.w1", f"{TOKEN},d={wished}" if by == "password" else TOKEN)
    assert wished / 2 <= rig.difficulty <= wished * 1.5


@pytest.mark.rule("A10.3")
def test_a_proxys_devices_may_split_one_connections_search_space(pool: Pool) -> None:
    proxy = pool.miner(easy_limits(shares_per_minute=12)).login()
    for device in range(3000):
        pool.clock.advance(0.001)
        share = proxy.share()
        share[2] = f"{device:04x}" + share[2][4:]
        # What the proxy's device did not mine itself is judged like any share; all meet the ease.
        answer = proxy.submit(share)
        assert answer["result"] is True
    assert proxy.session.closing is None
    assert proxy.session.gate.accepted == 3000


@pytest.mark.rule("A10.4")
def test_an_agents_binary_frame_ends_in_an_error_not_an_exception(pool: Pool) -> None:
    frame = b"\x7f\x01\x00\x20" + bytes(28) + b"\n"
    unknown = pool.miner()
    assert unknown.feed(frame) == []
    assert unknown.session.closing == "not a Stratum miner"
    working = pool.miner().login()
    assert error_of(working.feed(frame)[0]) == 20
    line = {"id": 1, "method": "agent.get_capabilities", "params": []}
    assert error_of(working.feed(json.dumps(line).encode() + b"\n")[0]) == 20


def test_a_wish_while_mining_reaches_the_front_as_one(miner: Miner) -> None:
    miner.login()
    miner.session.difficulty.changed = miner.session.attention = False
    assert methods_of(miner.call("mining.suggest_difficulty", 1e-6)) == ["="]
    assert miner.session.difficulty.changed
    assert miner.session.attention
    assert miner.session.retarget_due(miner.pool.job)


def test_a_wish_beside_a_login_that_waited_is_not_forgotten(pool: Pool, miner: Miner) -> None:
    miner.login()
    miner.authorize("1.unheard", f"{TOKEN},d=1e-6")
    miner.session.attention = False
    miner.session.worker_made(77, pool.clock.now_us(), pool.clock.monotonic())
    assert miner.session.attention
    assert miner.session.retarget_due(pool.job)
