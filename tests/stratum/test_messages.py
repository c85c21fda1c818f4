"""Lines on the wire: every answer parses back to what was meant."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.native import Verdict
from kench.stratum import messages
from kench.stratum.messages import BadMessageError, Request, parse_line

IDS = st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(request_id=IDS, method=st.text(), params=JSON)
def test_a_request_is_read_as_written(request_id: object, method: str, params: object) -> None:
    line = json.dumps({"id": request_id, "method": method, "params": params}).encode()
    parsed = parse_line(line)
    assert parsed == Request(request_id, method, params)  # type: ignore[arg-type] # any JSON
    assert parsed is not None
    assert type(parsed.id) is type(request_id)


@given(line=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_line_is_a_request_an_answer_or_a_mistake(line: bytes) -> None:
    try:
        parsed = parse_line(line)
    except BadMessageError:
        return
    assert parsed is None or isinstance(parsed.method, str)


@given(request_id=IDS, result=JSON)
def test_answers_are_one_line_with_the_three_members(request_id: object, result: object) -> None:
    line = messages.answer(request_id, result)  # type: ignore[arg-type] # what JSON gives
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"id": request_id, "result": result, "error": None}


@pytest.mark.parametrize("verdict", [one for one in Verdict if one is not Verdict.ACCEPTED])
def test_refusals_stay_within_the_codes_that_firmware_knows(verdict: Verdict) -> None:
    parsed = json.loads(messages.refusal(1, verdict))
    assert parsed == {"id": 1, "result": None, "error": [verdict.code, verdict.text, None]}
    assert 20 <= verdict.code <= 25


@pytest.mark.rule("A1.5")
@pytest.mark.parametrize("line", [b"", b"{} {}", b'{"method":"x"}y', b"{}\x0b", b"]", b"NaN"])
def test_a_line_is_one_value_and_nothing_else(line: bytes) -> None:
    with pytest.raises(BadMessageError):
        parse_line(line)


@pytest.mark.rule("A1.5")
def test_nesting_is_bounded_and_many_brackets_side_by_side_are_none() -> None:
    begin = b'{"id":1,"method":"m","params":'
    assert parse_line(begin + b"[" * 31 + b"]" * 31 + b"}") is not None
    for depth in (32, 100, 8000):
        with pytest.raises(BadMessageError):
            parse_line(begin + b"[" * depth + b"]" * depth + b"}")
    assert parse_line(begin + b"[" + b"[]," * 500 + b'"[[[[[["]}') is not None


@pytest.mark.rule("A9.5", "A9.7")
def test_what_the_server_asks_has_the_form_that_clients_answer() -> None:
    assert messages.ping(42) == b'{"id":42,"method":"mining.ping","params":[]}\n'
    assert messages.reconnect() == b'{"id":null,"method":"client.reconnect","params":[]}\n'
    assert messages.set_version_mask(0xE000).endswith(b'"params":["0000e000"]}\n')
