"""Whatever a peer sends: no exception, whole JSON lines, each id answered once, bounded memory."""

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kench.stratum.session import PAUSED_BYTES_MAX
from tests.support.sessions import TOKEN, Miner, Pool, parse_lines

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
METHODS = st.sampled_from(
    [
        "mining.subscribe",
        "mining.authorize",
        "mining.submit",
        "mining.configure",
        "mining.suggest_difficulty",
        "mining.suggest_target",
        "mining.extranonce.subscribe",
        "mining.multi_version",
        "mining.ping",
        "mining.get_transactions",
        "mining.suggest_difficulty(3)",
    ]
)
IDS = (
    st.none()
    | st.integers()
    | st.text(max_size=10)
    | st.floats(allow_nan=False, allow_infinity=False)
)
TELLING = st.sampled_from(
    [
        "1.w1",
        "1.new",
        "2.w1",
        TOKEN,
        "version-rolling",
        "minimum-difficulty",
        "ffffffff",
        "0",
        "00" * 8,
    ]
)
OPTIONS = st.dictionaries(
    st.sampled_from(["version-rolling.mask", "minimum-difficulty.value"]), TELLING | ANYTHING
)
PARAMS = st.lists(
    TELLING | st.lists(TELLING | ANYTHING, max_size=3) | OPTIONS | ANYTHING, max_size=8
)
REQUESTS = st.fixed_dictionaries(
    {"id": IDS, "method": METHODS | st.text(max_size=12)}, optional={"params": PARAMS | ANYTHING}
)


def send(miner: Miner, data: bytes) -> list[dict[str, Any]]:
    """Feed bytes and let every login that waits for the register through."""
    clock = miner.pool.clock
    lines = miner.feed(data)
    for _ in range(1000):
        if miner.session.wants is None:
            return lines
        made = miner.session.worker_made(99, clock.now_us(), clock.monotonic())
        lines += miner.heard(made)
    raise AssertionError("the session goes on asking")


def held(miner: Miner) -> int:
    """Bytes that the session keeps for later."""
    return len(miner.session._buffer)


@given(data=st.lists(st.binary(max_size=300), max_size=20), logged_in=st.booleans())
def test_any_bytes_bring_whole_lines_and_no_exception(data: list[bytes], logged_in: bool) -> None:
    miner = Pool().miner()
    if logged_in:
        miner.login()
    for piece in data:
        for line in send(miner, piece):
            assert line.keys() >= {"id"}
        assert held(miner) <= miner.session.limits.max_line_bytes + PAUSED_BYTES_MAX


@given(value=ANYTHING, logged_in=st.booleans())
def test_any_json_is_a_message_or_a_mistake(value: object, logged_in: bool) -> None:
    miner = Pool().miner()
    if logged_in:
        miner.login()
    send(miner, json.dumps(value).encode() + b"\n")


@settings(max_examples=300)
@given(requests=st.lists(REQUESTS, max_size=12), size=st.integers(1, 400))
def test_every_request_with_an_id_is_answered_once_with_that_id_in_order(
    requests: list[dict[str, Any]], size: int
) -> None:
    miner = Pool().miner()
    data = b"".join(json.dumps(one).encode() + b"\n" for one in requests)
    lines: list[dict[str, Any]] = []
    for at in range(0, len(data), size):
        lines += send(miner, data[at : at + size])
    answered = [line["id"] for line in lines if "method" not in line]
    expected = [one["id"] for one in requests if one["id"] is not None and one["method"] != "pong"]
    assert [(type(one), one) for one in answered] == [(type(one), one) for one in expected]
    assert miner.session.closing is None


@given(requests=st.lists(REQUESTS, max_size=8), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_how_bytes_are_cut_into_segments_changes_nothing(
    requests: list[dict[str, Any]], cuts: list[int]
) -> None:
    data = b"".join(json.dumps(one).encode() + b"\n" for one in requests)
    whole, cut = Pool().miner(), Pool().miner()
    send(whole, data)
    edges = [0, *sorted(min(at, len(data)) for at in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        send(cut, data[start:end])
    assert cut.raw == whole.raw


@given(
    fields=st.lists(st.text(max_size=40), min_size=5, max_size=7), request_id=st.integers(0, 10**17)
)
def test_a_submit_of_any_six_strings_is_answered_once(fields: list[str], request_id: int) -> None:
    miner = Pool().miner().login()
    for ascii_only in (True, False):
        line = {"id": request_id, "method": "mining.submit", "params": fields}
        raw = json.dumps(line, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") + b"\n"
        (answer,) = miner.feed(raw)
        assert answer["result"] is None
        assert answer["id"] in {request_id, None}


def test_a_peer_that_never_ends_its_line_holds_one_line_at_most() -> None:
    miner = Pool().miner()
    limit = miner.session.limits.max_line_bytes
    for _ in range(200):
        miner.feed(b'{"id":1,' * 64)
        assert held(miner) <= limit
    assert miner.session.closing == "line too long"


def test_what_comes_while_a_login_waits_is_bounded() -> None:
    miner = Pool().miner()
    miner.authorize("1.unheard")
    for _ in range(100):
        assert parse_lines(miner.session.receive(b'{"id":1}\n' * 1000, 0, 0.0)) == []
        assert held(miner) <= miner.session.limits.max_line_bytes + PAUSED_BYTES_MAX
    assert miner.session.closing == "line too long"
