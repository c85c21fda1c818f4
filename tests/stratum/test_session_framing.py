"""A1: lines and JSON. What comes in any cut, any spelling or any brokenness."""

import json
from typing import Any

import pytest

from kench.stratum.session import State
from tests.support.sessions import TOKEN, Miner, Pool, error_of, methods_of, pieces

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["tests/1.0"]}\n'
AUTHORIZE = b'{"id":2,"method":"mining.authorize","params":["1.w1","%b"]}\n' % TOKEN.encode()
PING = b'{"id":9,"method":"mining.ping","params":[]}\n'


@pytest.mark.rule("A1.1")
def test_a_line_may_end_in_cr_lf_and_answers_end_in_one_lf(miner: Miner) -> None:
    answers = miner.feed(SUBSCRIBE[:-1] + b"\r\n" + PING)
    assert [answer["id"] for answer in answers] == [1, 9]
    assert miner.raw.count(b"\n") == 2


@pytest.mark.rule("A1.2")
def test_one_message_in_any_number_of_segments_is_answered_once(miner: Miner) -> None:
    message = '{"id":1,"method":"mining.subscribe","params":["NerdOCTAXE-γ/1"]}\n'.encode()
    answers = [answer for piece in pieces(message) for answer in miner.feed(piece)]
    assert [answer["id"] for answer in answers] == [1]
    assert miner.session.user_agent == "NerdOCTAXE-γ/1"


@pytest.mark.rule("A1.2")
def test_messages_glued_into_one_segment_are_answered_in_order(miner: Miner) -> None:
    configure = (
        b'{"id":0,"method":"mining.configure",'
        b'"params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}\n'
    )
    lines = miner.feed(configure + SUBSCRIBE + AUTHORIZE + PING)
    assert [line["id"] for line in lines if "method" not in line] == [0, 1, 2, 9]


@pytest.mark.rule("A1.2")
def test_lines_behind_a_login_that_waits_for_the_register_wait_with_it(miner: Miner) -> None:
    unknown = AUTHORIZE.replace(b"1.w1", b"1.unheard")
    miner.feed(SUBSCRIBE)
    assert miner.feed(unknown + PING) == []
    assert miner.session.wants is not None
    assert miner.feed(PING.replace(b"9", b"10")) == []
    clock = miner.pool.clock
    lines = miner.heard(miner.session.worker_made(77, clock.now_us(), clock.monotonic()))
    assert [line["id"] for line in lines if "method" not in line] == [2, 9, 10]
    assert lines[0]["result"] is True


@pytest.mark.rule("A1.2")
def test_a_proxys_many_logins_in_one_write_wait_without_being_cut_off(miner: Miner) -> None:
    miner.subscribe()
    logins = b"".join(
        json.dumps(
            {"id": number, "method": "mining.authorize", "params": [f"1.rig{number}", TOKEN]}
        ).encode()
        + b"\n"
        for number in range(1000)
    )
    assert len(logins) > 5 * miner.session.limits.max_line_bytes
    answered = miner.feed(logins)
    for worker in range(1000):
        assert miner.session.wants is not None
        clock = miner.pool.clock
        out = miner.session.worker_made(500 + worker, clock.now_us(), clock.monotonic())
        answered += [line for line in miner.heard(out) if "method" not in line]
    assert [answer["id"] for answer in answered] == list(range(1000))
    assert all(answer["result"] is True for answer in answered)
    assert miner.session.closing is None


@pytest.mark.rule("A1.3")
@pytest.mark.parametrize("line", [b"\n", b"   \n", b"\r\n", b" \t \r\n"])
def test_an_empty_line_is_nothing(miner: Miner, line: bytes) -> None:
    assert miner.feed(line * 10) == []
    assert miner.session.closing is None
    assert miner.feed(PING)[0]["result"] == "pong"


@pytest.mark.rule("A1.4")
def test_a_line_over_the_limit_ends_the_session_whether_ended_or_not(pool: Pool) -> None:
    limit = pool.limits.max_line_bytes
    for tail in (b"", b"\n"):
        miner = pool.miner()
        assert miner.feed(b'{"' + b"a" * (limit - 2)) == []
        assert miner.session.closing is None
        assert miner.feed(b"a" + tail) == []
        assert miner.session.closing == "line too long"


@pytest.mark.rule("A1.4")
def test_what_comes_after_the_end_of_a_session_is_neither_kept_nor_answered(miner: Miner) -> None:
    miner.login()
    miner.session.end("a reason")
    assert miner.feed(PING) == []
    assert miner.feed(json.dumps({"id": 1, "method": "mining.submit", "params": []}).encode()) == []
    assert miner.session.closing == "a reason"


NOT_JSON = [
    b"not json",
    b"{",
    b"[]",
    b"[1,2]",
    b"17",
    b'"text"',
    b"null",
    b"true",
    b'{"id":1,"method":"mining.ping","params":[NaN]}',
    b'{"id":1,"method":"mining.ping","params":[Infinity]}',
    b'{"id":1,"method":"mining.ping","params":[-Infinity]}',
    b'{"id":1,"method":"mining.ping","params":[1e999]}',
    b'{"id":' + b"9" * 5000 + b',"method":"mining.ping","params":[]}',
    b'{"id":1,"method":"mining.ping","params":' + b"[" * 40 + b"]" * 40 + b"}",
    b'{"a":' * 2000 + b"1" + b"}" * 2000,
    b'{"id":1,"method":"mining.ping\xff","params":[]}',
    b'{"id":1,"method":"mining.ping\xc3","params":[]}',
    b'{"id":[],"method":"mining.ping","params":[]}',
    b'{"id":{},"method":"mining.ping","params":[]}',
    b'{"id":true,"method":"mining.ping","params":[]}',
    "\ufeff{}".encode(),
]


@pytest.mark.rule("A1.5")
@pytest.mark.parametrize("line", NOT_JSON, ids=lambda line: line[:24].decode("latin1"))
def test_a_line_that_is_no_message_earns_an_error_and_at_the_third_the_end(
    miner: Miner, line: bytes
) -> None:
    expected = {"id": None, "result": None, "error": [20, "Invalid JSON", None]}
    for _ in range(2):
        assert miner.feed(line + b"\n") == [expected]
        assert miner.session.closing is None
    assert miner.feed(line + b"\n" + PING) == [expected]
    assert miner.session.closing == "not JSON"


@pytest.mark.rule("A1.6")
def test_key_order_and_white_space_mean_nothing(miner: Miner) -> None:
    spellings = [
        b'{"params": ["1.w1", "%b"], "id": 2, "method": "mining.authorize"}\n',
        b'{"method":"mining.authorize","params":["1.w1","%b"],"id":2}\n',
        b' \t{ "id" :2 ,"method" : "mining.authorize" , "params":[ "1.w1" ,\t"%b" ] } \r\n',
        b'{"id":2,"jsonrpc":"2.0","method":"mining.authorize","params":["1.w1","%b"]}\n',
    ]
    for spelling in spellings:
        answer, *_ = miner.feed(spelling % TOKEN.encode())
        assert answer == {"id": 2, "result": True, "error": None}


@pytest.mark.rule("A1.7")
@pytest.mark.parametrize(
    "identity",
    [0, 1, 3642, -7, 2**63, 10**30, 1.5, "auth", "xnsub", "3642", "", "txlistabc", "γ", "\ud800"],
)
def test_an_id_comes_back_with_its_type_and_value(miner: Miner, identity: object) -> None:
    for method in ("mining.subscribe", "mining.ping", "mining.nonsense", "mining.configure"):
        (answer,) = miner.say({"id": identity, "method": method, "params": []})
        assert type(answer["id"]) is type(identity)
        assert answer["id"] == identity


@pytest.mark.rule("A1.7")
@pytest.mark.parametrize("identity", [4, "4", 4.5])
def test_a_repeated_id_is_answered_each_time(miner: Miner, identity: object) -> None:
    miner.login()
    for _ in range(3):
        request = {"method": "mining.submit", "params": miner.share(), "id": identity}
        (answer,) = miner.say(request)
        assert answer == {"id": identity, "result": True, "error": None}


@pytest.mark.rule("A1.8", "A9.2")
@pytest.mark.parametrize("identity", [{"id": None}, {}], ids=["null", "missing"])
def test_a_notification_is_acted_on_in_silence(miner: Miner, identity: dict[str, Any]) -> None:
    silent = [
        ("mining.suggest_difficulty", [64]),
        ("mining.suggest_target", ["00000000ffff" + "0" * 52]),
        ("mining.capabilities", [{}]),
        ("mining.configure", [["version-rolling"], {}]),
        ("mining.extranonce.subscribe", []),
        ("mining.ping", []),
        ("mining.get_transactions", ["1"]),
        ("mining.multi_version", [1]),
        ("mining.nonsense", []),
        ("mining.submit", []),
        ("mining.authorize", []),
        ("mining.authorize", ["9.nobody", "x"]),
        ("mining.subscribe", ["tests/1.0"]),
    ]
    for method, params in silent:
        assert miner.say({**identity, "method": method, "params": params}) == [], method
    assert miner.session.state is State.SUBSCRIBED
    assert miner.session.version_mask == 0x1FFFE000


@pytest.mark.rule("A1.8")
def test_a_share_sent_as_a_notification_is_counted_in_silence(miner: Miner) -> None:
    miner.login()
    assert miner.say({"id": None, "method": "mining.submit", "params": miner.share()}) == []
    assert miner.session.gate.accepted == 1


@pytest.mark.rule("A1.9")
@pytest.mark.parametrize(
    "line",
    [
        {"id": 42, "result": "pong", "error": None},
        {"id": 42, "error": [20, "what", None]},
        {"id": 3, "result": "cgminer/4.11.1", "error": None},
        {"id": 5, "method": None, "result": True},
        {"id": 42, "method": "pong", "params": []},
    ],
)
def test_an_answer_is_never_answered(miner: Miner, line: dict[str, Any]) -> None:
    for _ in range(5):
        assert miner.say(line) == []
    assert miner.session.closing is None


@pytest.mark.rule("A1.10")
@pytest.mark.parametrize("params", [{}, {"params": None}, {"params": {}}, {"params": "x"}])
def test_methods_that_need_no_params_work_without(miner: Miner, params: dict[str, Any]) -> None:
    wanted = {
        "mining.ping": "pong",
        "mining.extranonce.subscribe": True,
        "mining.suggest_difficulty": True,
        "mining.multi_version": True,
        "mining.configure": {},
    }
    for method, result in wanted.items():
        (answer,) = miner.say({"id": 7, "method": method, **params})
        assert answer == {"id": 7, "result": result, "error": None}
    (answer,) = miner.say({"id": 8, "method": "mining.subscribe", **params})
    assert len(answer["result"]) == 3


@pytest.mark.rule("A1.10")
@pytest.mark.parametrize("params", [{}, {"params": None}, {"params": {}}, {"params": []}])
def test_submit_and_authorize_without_params_are_invalid_and_keep_the_line(
    miner: Miner, params: dict[str, Any]
) -> None:
    for method in ("mining.submit", "mining.authorize"):
        (answer,) = miner.say({"id": 7, "method": method, **params})
        assert answer == {"id": 7, "result": None, "error": [20, "Invalid params", None]}
    assert miner.session.closing is None


@pytest.mark.rule("A1.11")
def test_the_historic_forms_with_the_argument_in_the_name_are_taken(miner: Miner) -> None:
    (answer,) = miner.say({"id": 1, "method": "mining.suggest_difficulty(64)", "params": []})
    assert answer["result"] is True
    assert miner.session.difficulty.start == 64
    (answer,) = miner.say({"id": 2, "method": 'mining.get_transactions("4f")', "params": []})
    assert answer["error"] == [20, "Not supported", None]


@pytest.mark.rule("A1.12", "A9.8", "A10.4")
@pytest.mark.parametrize(
    "method",
    [
        "mining.nonsense",
        "mining.term",
        "mining.node",
        "mining.passthrough",
        "mining.remote",
        "agent.get_capabilities",
        "MINING.SUBMIT",
        "mining.submit ",
        "",
    ],
)
def test_an_unknown_method_is_refused_and_the_line_kept(miner: Miner, method: str) -> None:
    for _ in range(10):
        (answer,) = miner.say({"id": 3, "method": method, "params": []})
        assert answer == {"id": 3, "result": None, "error": [20, "Unknown method", None]}
    assert miner.session.closing is None


@pytest.mark.rule("A1.12")
@pytest.mark.parametrize("rest", [{}, {"method": 5}, {"method": ["mining.ping"]}])
def test_a_request_without_a_method_is_an_unknown_one(miner: Miner, rest: dict[str, Any]) -> None:
    (answer,) = miner.say({"id": 3, **rest})
    assert answer == {"id": 3, "result": None, "error": [20, "Unknown method", None]}


@pytest.mark.rule("A1.13")
def test_a_proxys_header_is_nobodys_first_word_where_none_is_expected(miner: Miner) -> None:
    assert miner.feed(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + SUBSCRIBE) == []
    assert miner.session.closing is not None


@pytest.mark.rule("A1.14")
@pytest.mark.parametrize(
    "opening",
    [
        b"GET / HTTP/1.1\r\nHost: pool\r\n\r\n",
        b"POST / HTTP/1.0\r\n\r\n",
        b"HEAD / HTTP/1.0\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
        bytes.fromhex("2e7d0c9a4b5e11f0" * 8),
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
    ids=["get", "post", "head", "options", "tls", "stratum v2", "ssh"],
)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_what_is_plainly_another_protocol_is_cut_off_without_a_word(
    miner: Miner, opening: bytes, size: int
) -> None:
    for piece in pieces(opening, size):
        assert miner.feed(piece) == []
    assert miner.session.closing == "not a Stratum miner"


@pytest.mark.rule("A1.15")
@pytest.mark.parametrize("text", ["0x1f", " 1f", "+1f", "1_f", "١٢", "1g", "1f ", "-1", "1.0"])
def test_what_only_python_takes_for_hex_is_refused(miner: Miner, text: str) -> None:
    miner.login()
    good = miner.share()
    for position in (3, 4):
        params = list(good)
        params[position] = text
        assert error_of(miner.submit(params)) == 20
    params = [*good[:2], text.ljust(16, "0")[:16], *good[3:]]
    assert error_of(miner.submit(params)) == 20
    assert error_of(miner.submit([*good, text])) == 20
    assert miner.submit(good)["result"] is True


@pytest.mark.rule("A1.16")
@pytest.mark.parametrize(
    ("agent", "kept"),
    [
        ("NerdOCTAXE-γ/BM1370/v1.0.36", "NerdOCTAXE-γ/BM1370/v1.0.36"),
        ("sm-miner v8.16.67.1 2020-09-23, msp ver 0x8168",) * 2,
        ("bad\x1b[31m\x00\x9bred\n", "bad[31mred"),
        ("\ud800lone", "lone"),
        ("γ" * 300, "γ" * 128),
        ("", ""),
    ],
)
def test_a_user_agent_is_kept_by_code_points_without_controls(
    miner: Miner, agent: str, kept: str
) -> None:
    miner.subscribe(agent)
    assert miner.session.user_agent == kept


def test_a_session_begins_by_saying_nothing(miner: Miner) -> None:
    assert miner.feed(b"") == []
    assert methods_of(miner.feed(SUBSCRIBE)) == ["="]
