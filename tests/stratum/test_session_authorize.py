"""A3: mining.authorize. Who may mine, under which names, and what a password may say beside."""

import json
from typing import Any

import pytest

from kench.native import Verdict
from kench.stratum.session import State
from tests.support.sessions import (
    TOKEN,
    Miner,
    Pool,
    easy_limits,
    error_of,
    methods_of,
    participant,
    token_id,
)

REFUSED = {"result": False, "error": [24, "Unauthorized worker", None]}


@pytest.mark.rule("A3.1")
def test_authorize_before_subscribe_is_accepted_and_remembered(miner: Miner) -> None:
    assert methods_of(miner.authorize()) == ["="]
    assert error_of(miner.submit(["1.w1", "1", "0" * 16, "0" * 8, "0" * 8])) == 25
    assert methods_of(miner.subscribe()) == ["=", "mining.set_difficulty", "mining.notify"]
    assert miner.submit(miner.share())["result"] is True


@pytest.mark.rule("A3.2")
@pytest.mark.parametrize("password", [None, "", 0, 123456, [], {}, True, "x", "\ud800", "d=1"])
def test_any_password_is_read_and_only_the_token_admits(miner: Miner, password: object) -> None:
    miner.subscribe()
    (answer,) = miner.say({"id": 1, "method": "mining.authorize", "params": ["1.w1", password]})
    assert answer == {"id": 1, **REFUSED}
    (answer,) = miner.say({"id": 1, "method": "mining.authorize", "params": ["1.w1"]})
    assert answer == {"id": 1, **REFUSED}
    assert miner.authorize()[0]["result"] is True


@pytest.mark.rule("A3.2")
@pytest.mark.parametrize(
    ("user", "worker"),
    [
        ("1.w1", "w1"),
        ("1", "default"),
        ("1.", "default"),
        ("1.a.b", "a.b"),
        ("1.r-1_:+~@|/ x", "r-1_:+~@|/ x"),
        ("1.установка", "установка"),
    ],
)
def test_a_name_is_split_at_its_first_dot(pool: Pool, user: str, worker: str) -> None:
    pool.register.replace(participant(1, workers={worker: 90}))
    miner = pool.miner().login(user)
    assert miner.submit(miner.share(user))["result"] is True
    (record,) = pool.taken()
    assert (record["participant"], record["worker"]) == (1, 90)


@pytest.mark.rule("A3.3")
@pytest.mark.parametrize(
    "user",
    [
        "2.w1",
        "9.w1",
        "0.w1",
        "01.w1",
        "-1.w1",
        " 1.w1",
        "1 .w1",
        "w1",
        "",
        ".w1",
        "1.a\nb",
        "١.w1",
        "1." + "x" * 65,
        "99999999999.w1",
    ],
)
def test_who_may_not_mine_gets_the_refusal_miners_know_and_no_work(miner: Miner, user: str) -> None:
    miner.subscribe()
    (answer,) = miner.authorize(user)
    assert {key: answer[key] for key in ("result", "error")} == REFUSED
    assert miner.session.state is State.SUBSCRIBED
    assert miner.session.login_failed


@pytest.mark.rule("A3.3")
def test_success_is_a_plain_true(miner: Miner) -> None:
    miner.subscribe()
    miner.say({"id": "auth", "method": "mining.authorize", "params": ["1.w1", TOKEN]})
    assert b'{"id":"auth","result":true,"error":null}\n' in miner.raw


@pytest.mark.rule("A3.3")
def test_a_worker_name_longer_than_the_register_keeps_is_refused(miner: Miner) -> None:
    assert miner.authorize("1." + "x" * 64) == []
    assert miner.session.wants is not None
    other = miner.pool.miner()
    assert error_of(other.authorize("1." + "x" * 65)[0]) == 24


@pytest.mark.rule("A3.3")
def test_a_participants_state_decides_anew_at_each_login(pool: Pool, miner: Miner) -> None:
    miner.subscribe()
    assert error_of(miner.authorize("2.w1")[0]) == 24
    pool.register.replace(participant(2))
    assert miner.authorize("2.w1")[0]["result"] is True


@pytest.mark.rule("A3.3")
def test_a_worker_that_cannot_be_made_is_refused_like_any_other(miner: Miner) -> None:
    miner.subscribe()
    assert miner.authorize("1.unheard") == []
    clock = miner.pool.clock
    (answer,) = miner.heard(miner.session.worker_made(None, clock.now_us(), clock.monotonic()))
    assert error_of(answer) == 24
    assert miner.session.state is State.SUBSCRIBED


@pytest.mark.rule("A3.3")
def test_a_participant_suspended_while_the_worker_was_made_does_not_get_in(
    pool: Pool, miner: Miner
) -> None:
    miner.subscribe()
    miner.authorize("1.unheard")
    pool.register.replace(participant(1, active=False))
    out = miner.session.worker_made(55, pool.clock.now_us(), pool.clock.monotonic())
    (answer,) = miner.heard(out)
    assert error_of(answer) == 24
    assert miner.session.admitted == {}


@pytest.mark.rule("A3.4")
def test_many_workers_share_a_line_each_credited_under_its_name(pool: Pool, miner: Miner) -> None:
    miner.login("1.w1")
    assert miner.authorize("1.w2")[0]["result"] is True
    assert miner.authorize("3.w1")[0]["result"] is True
    for user in ("1.w2", "3.w1", "1.w1"):
        assert miner.submit(miner.share(user))["result"] is True
    owners = [(one["participant"], one["worker"]) for one in pool.taken()]
    assert owners == [(1, 12), (3, 31), (1, 11)]


@pytest.mark.rule("A3.4")
def test_a_name_that_never_logged_in_is_24_and_credits_nobody(pool: Pool, miner: Miner) -> None:
    miner.login("1.w1")
    for user in ("1.w2", "1", "3.w1", "", "1.W1", "1.w1 "):
        assert error_of(miner.submit(miner.share(user))) == 24
    assert len(pool.taken()) == 0
    assert pool.table.take_tally() == {(0, 0, Verdict.UNAUTHORISED, miner.session.agent): 6}


@pytest.mark.rule("A3.4")
def test_a_refused_worker_leaves_the_others_of_its_line_mining(miner: Miner) -> None:
    miner.login("1.w1")
    assert error_of(miner.authorize("2.w1")[0]) == 24
    assert miner.submit(miner.share("1.w1"))["result"] is True


@pytest.mark.rule("A3.4")
def test_workers_of_one_line_are_bounded(pool: Pool) -> None:
    miner = pool.miner(easy_limits(workers_per_connection=2)).login("1.w1")
    assert miner.authorize("1.w2")[0]["result"] is True
    assert error_of(miner.authorize("1.test")[0]) == 24
    assert miner.authorize("1.w1")[0]["result"] is True
    assert error_of(miner.submit(miner.share("1.test"))) == 24


@pytest.mark.rule("A3.5")
def test_logging_in_again_is_true_and_brings_no_new_job(miner: Miner) -> None:
    miner.login("1.w1", f"{TOKEN},d=1e-9")
    miner.session.difficulty.changed = miner.session.attention = False
    for _ in range(5):
        assert methods_of(miner.authorize("1.w1", f"{TOKEN},d=1e-9")) == ["="]
    assert not miner.session.difficulty.changed


@pytest.mark.rule("A3.6")
def test_between_subscribe_and_authorize_nothing_is_said_unasked(pool: Pool, miner: Miner) -> None:
    miner.call("mining.configure", ["version-rolling"], {})
    miner.subscribe()
    pool.new_job()
    pool.clock.advance(30)
    miner.session.sweep(pool.clock.monotonic())
    assert miner.feed(b"") == []
    answer, *more = miner.authorize()
    assert answer["result"] is True
    assert methods_of(more) == ["mining.set_difficulty", "mining.notify"]


@pytest.mark.rule("A3.7")
@pytest.mark.parametrize(
    ("password", "start", "floor"),
    [
        ("d=4", 4, None),
        ("diff=4", 4, None),
        ("D=4", 4, None),
        ("d=0.0005", 0.0005, None),
        ("d=1e-6", 1e-6, None),
        (" d=4 , md=2 ", 4, 2),
        ("md=2,d=4", 4, 2),
        ("d=4,md=2,colour=blue,,=,a=b=c", 4, 2),
        ("md=8", None, 8),
        *[
            (ignored, None, None)
            for ignored in (
                "d=0",
                "d=-1",
                "d=nan",
                "d=inf",
                "d=1e400",
                "diff= 200",
                "diff=200x",
                "d=",
                "d",
                "d=0x10",
                "d=1_0",
                "d=٤",
                "x",
                "123",
                "123456",
                "d=" + "9" * 400,
            )
        ],
    ],
)
def test_password_options_beside_the_token_set_difficulty_and_never_refuse(
    miner: Miner, password: str, start: float | None, floor: float | None
) -> None:
    limits = miner.session.limits
    for said in (f"{password},{TOKEN}", f"{TOKEN},{password}"):
        session = miner.session
        assert miner.authorize("1.w1", said)[0]["result"] is True
        assert session.difficulty.start == (limits.difficulty.start if start is None else start)
        assert session.difficulty.floor == (limits.difficulty.lowest if floor is None else floor)


@pytest.mark.rule("A3.7")
@pytest.mark.parametrize(
    ("password", "sent"),
    [("d=1e-12", 1e-9), ("d=1e9", 0.5), ("md=1e-5,d=1e-9", 1e-5), ("md=1e-30", 1e-8)],
)
def test_wishes_are_clamped_to_the_pools_bounds(pool: Pool, password: str, sent: float) -> None:
    limits = easy_limits(lowest=1e-9, start=1e-8, highest=0.5)
    miner = pool.miner(limits).login("1.w1", f"{password},{TOKEN}")
    assert miner.difficulty == sent


@pytest.mark.rule("A3.8")
@pytest.mark.parametrize("first", ["suggest", "authorize"])
def test_a_passwords_difficulty_wins_over_a_suggestion(miner: Miner, first: str) -> None:
    def suggest() -> None:
        assert miner.call("mining.suggest_difficulty", 32)[0]["result"] is True

    if first == "suggest":
        suggest()
    miner.authorize("1.w1", f"{TOKEN},d=4")
    if first == "authorize":
        suggest()
    miner.subscribe()
    assert miner.difficulty == 4


@pytest.mark.rule("A3.8", "A10.1")
@pytest.mark.parametrize("order", ["subscribe first", "authorize first"])
@pytest.mark.parametrize(
    ("password", "sent"), [("d=1048576", 1_048_576), ("d=1000", 1000), ("x=1", 524_288)]
)
def test_an_explicit_difficulty_of_a_rental_wins_over_its_default(
    pool: Pool, order: str, password: str, sent: float
) -> None:
    miner = pool.miner()
    if order == "authorize first":
        miner.authorize("1.w1", f"{TOKEN},{password}")
    miner.subscribe("NiceHash/1.0.0")
    if order == "subscribe first":
        miner.authorize("1.w1", f"{TOKEN},{password}")
    assert miner.difficulty == sent


def test_names_that_no_gate_takes_are_invalid(miner: Miner) -> None:
    miner.subscribe()
    users: list[object] = [7, None, [], {}, "\ud800", "1." + "γ" * 200]
    for user in users:
        line: dict[str, Any] = {"id": 1, "method": "mining.authorize", "params": [user, TOKEN]}
        (answer,) = miner.feed(json.dumps(line).encode() + b"\n")
        assert error_of(answer) == 20


def test_a_suspended_participants_names_are_taken_off_and_others_stay(miner: Miner) -> None:
    miner.login("1.w1")
    miner.authorize("3.w1")
    assert miner.session.forget_tokens({token_id(1)}) is False
    assert error_of(miner.submit(miner.share("1.w1"))) == 24
    assert miner.submit(miner.share("3.w1"))["result"] is True
    assert miner.session.forget_tokens({token_id(3), 7}) is True
