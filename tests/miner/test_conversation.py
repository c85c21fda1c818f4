"""A miner's side of Stratum: what is sent when, and what is understood."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.miner.conversation import (
    PENDING_MAX,
    Conversation,
    Event,
    JobCame,
    LeaveAsked,
    LoggedIn,
    LoginRefused,
    PoolMisbehavedError,
    ShareAnswered,
    Told,
)
from kench.pool.work import target_of

SUBSCRIBED = b'{"id":1,"result":[[],"0a0b0c0d",8],"error":null}\n'
AUTHORIZED = b'{"id":2,"result":true,"error":null}\n'
DIFFICULTY = b'{"id":null,"method":"mining.set_difficulty","params":[0.5]}\n'
NOTIFY = json.dumps(
    {
        "id": None,
        "method": "mining.notify",
        "params": ["a", "00" * 32, "01", "02", [], "20000000", "207fffff", "66aabbcc", True],
    }
).encode() + b"\n"  # fmt: skip
LOGIN = SUBSCRIBED + DIFFICULTY + NOTIFY + AUTHORIZED


def _sent(conversation: Conversation) -> list[dict[str, object]]:
    return [json.loads(line) for line in conversation.take_output().splitlines()]


def _logged_in() -> tuple[Conversation, JobCame]:
    conversation = Conversation("1.rig", "secret")
    events = conversation.receive(LOGIN)
    conversation.take_output()
    came = events[0]
    assert isinstance(came, JobCame)
    return conversation, came


def test_authorize_follows_the_answer_to_subscribe() -> None:
    conversation = Conversation("1.rig", "secret")
    assert [request["method"] for request in _sent(conversation)] == ["mining.subscribe"]
    assert conversation.receive(SUBSCRIBED) == []
    (authorize,) = _sent(conversation)
    assert authorize["method"] == "mining.authorize"
    assert authorize["params"] == ["1.rig", "secret"]
    assert conversation.receive(AUTHORIZED) == [LoggedIn()]


def test_a_difficulty_holds_from_the_next_job_on() -> None:
    conversation, first = _logged_in()
    assert first.job.target == target_of(0.5)
    assert conversation.receive(DIFFICULTY.replace(b"0.5", b"2")) == []
    (second,) = conversation.receive(NOTIFY)
    assert isinstance(second, JobCame)
    assert (first.job.target, second.job.target) == (target_of(0.5), target_of(2))


def test_a_submit_has_the_form_of_the_field() -> None:
    conversation, came = _logged_in()
    conversation.submit(came.job, bytes.fromhex("0000000000000001"), 0x2D52)
    (submit,) = _sent(conversation)
    assert submit["method"] == "mining.submit"
    assert submit["params"] == ["1.rig", "a", "0000000000000001", "66aabbcc", "00002d52"]
    assert conversation.receive(b'{"id":3,"result":true,"error":null}\n') == [ShareAnswered(None)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(b'[23,"Low difficulty share",null]', "Low difficulty share"), (b"null", "no reason given")],
)
def test_a_refused_share_keeps_the_pools_reason(error: bytes, reason: str) -> None:
    conversation, came = _logged_in()
    conversation.submit(came.job, bytes(8), 1)
    answer = b'{"id":3,"result":null,"error":' + error + b"}\n"
    assert conversation.receive(answer) == [ShareAnswered(reason)]


def test_a_refused_login_keeps_the_pools_reason() -> None:
    conversation = Conversation("1.rig", "wrong")
    events = conversation.receive(
        SUBSCRIBED + b'{"id":2,"result":null,"error":[24,"Unauthorized worker",null]}\n'
    )
    assert events == [LoginRefused("Unauthorized worker")]


def test_other_calls_are_understood_or_refused_politely() -> None:
    conversation, _ = _logged_in()
    assert conversation.receive(
        b'{"id":null,"method":"client.show_message","params":["hello"]}\n'
        b'{"id":null,"method":"client.reconnect","params":[]}\n'
        b'{"id":7,"method":"client.get_moon","params":[]}\n'
        b'{"id":null,"method":"mining.news","params":[]}\n'
    ) == [Told("hello"), LeaveAsked()]
    assert _sent(conversation) == [
        {"id": 7, "result": None, "error": [-3, "Method not found", None]}
    ]


def test_a_transcript_split_at_every_byte_means_the_same() -> None:
    whole = Conversation("1.rig", "secret").receive(LOGIN)
    for at in range(1, len(LOGIN)):
        conversation = Conversation("1.rig", "secret")
        assert conversation.receive(LOGIN[:at]) + conversation.receive(LOGIN[at:]) == whole


def test_a_job_before_subscribe_is_answered_is_a_fault() -> None:
    with pytest.raises(PoolMisbehavedError):
        Conversation("1.rig", "secret").receive(NOTIFY)


def test_a_pool_that_answers_nothing_is_left_after_so_many_shares() -> None:
    conversation, came = _logged_in()
    for nonce in range(PENDING_MAX):
        conversation.submit(came.job, bytes(8), nonce)
    with pytest.raises(PoolMisbehavedError, match="without an answer"):
        conversation.submit(came.job, bytes(8), PENDING_MAX)


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_any_bytes_are_understood_or_a_fault_and_never_anything_else(pieces: list[bytes]) -> None:
    conversation, _ = _logged_in()
    try:
        events: list[Event] = []
        for piece in pieces:
            events += conversation.receive(piece + b"\n")
    except PoolMisbehavedError:
        pass
