"""Plain submit lines: which are, where they end, and what is answered (A1.1, A1.2, A1.6, A1.7)."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.native import Verdict

from .builders import NAME, NOW_S, NOW_US, Bench, a_line, good_share

PARAMS = f'["{NAME.decode()}","1","0000000000000001","{NOW_S:08x}","00000007"]'
SPACED = PARAMS.replace(",", " , ").replace("[", "[ ")
TRUE = b'{"id":4,"result":true,"error":null}\n'
DUPLICATE = b'{"id":4,"result":null,"error":[22,"Duplicate share",null]}\n'

PLAIN = [
    f'{{"id":4,"method":"mining.submit","params":{PARAMS}}}\n',
    f'{{"id": 4, "method": "mining.submit", "params": {PARAMS}}}\r\n',
    f'{{"params": {PARAMS}, "id": 4, "method": "mining.submit"}}\n',  # cgminer
    f'{{"method": "mining.submit", "params": {PARAMS}, "id":4}}\n',  # cpuminer
    f' \t{{ "id"\t:4 ,"method" : "mining.submit" , "params": {PARAMS} }} \r\n',
    f'{{"id":4,"method":"mining.submit","params":{SPACED}}}\n',
]
NOT_PLAIN = [
    "",
    "\n",
    "  \n",
    "{}\n",
    PLAIN[0].rstrip("\n"),
    PLAIN[0].replace('"id":4', '"id":"4"'),
    PLAIN[0].replace('"id":4', '"id":null'),
    PLAIN[0].replace('"id":4', '"id":-4'),
    PLAIN[0].replace('"id":4', '"id":04'),
    PLAIN[0].replace('"id":4', '"id":4.0'),
    PLAIN[0].replace('"id":4', '"id":4e1'),
    PLAIN[0].replace('"id":4', '"id":' + "9" * 19),
    PLAIN[0].replace('"id":4,', ""),
    PLAIN[0].replace('"id":4', '"id":4,"id":4'),
    PLAIN[0].replace('"id":4', '"id":4,"worker":"x"'),
    PLAIN[0].replace('"id":4,"method":"mining.submit"', '"id":4,"id":5'),
    PLAIN[0].replace("mining.submit", "mining.notify"),
    PLAIN[0].replace("mining.submit", "mining.submit "),
    PLAIN[0].replace("mining.submit", "mining\\u002esubmit"),
    PLAIN[0].replace('"method"', '"Method"'),
    PLAIN[0].replace("17.rig", '17\\"rig'),
    PLAIN[0].replace("17.rig", "17\\u002erig"),
    PLAIN[0].replace("17.rig", "17.r\u0438g"),
    PLAIN[0].replace("17.rig", "17\x7frig"),
    PLAIN[0].replace("17.rig", "17\trig"),
    PLAIN[0].replace('"1",', "1,"),
    PLAIN[0].replace('"1",', ""),
    PLAIN[0].replace('"1",', '"1","2","3",'),
    PLAIN[0].replace("]", ",]"),
    PLAIN[0].replace("}", ",}"),
    PLAIN[0].replace("}", "}}"),
    PLAIN[0].replace("}\n", "} x\n"),
    PLAIN[0].replace("{", "[{"),
    PLAIN[0].replace(",", ",,", 1),
    PLAIN[0].replace(":", "::", 1),
    PLAIN[0].replace(":", "\x0c:", 1),
    '{"id":4,"method":"mining.submit","params":"x"}\n',
    '{"id":4,"method":"mining.submit","params":{}}\n',
    '{"id":4,"method":"mining.submit","params":[]}\n',
]


@pytest.mark.parametrize("line", PLAIN)
def test_plain_lines_are_answered(native: SimpleNamespace, line: str) -> None:
    assert Bench(native).gate.plain(line.encode(), 0, NOW_US) == (len(line), TRUE, 1)


@pytest.mark.parametrize("line", NOT_PLAIN)
def test_other_lines_are_left_alone(native: SimpleNamespace, line: str) -> None:
    bench = Bench(native)
    first = PLAIN[0].encode()
    assert bench.gate.plain(line.encode(), 0, NOW_US) == (0, b"", 0)
    assert bench.gate.plain(first + line.encode(), 0, NOW_US) == (len(first), TRUE, 1)
    assert (bench.gate.accepted, bench.gate.refused) == (1, 0)


@pytest.mark.parametrize("token", ["0", "7", "999999999999999999"])
def test_the_id_is_echoed_as_sent_a1_7(native: SimpleNamespace, token: str) -> None:
    line = PLAIN[0].replace('"id":4', f'"id":{token}').encode()
    assert Bench(native).gate.plain(line, 0, NOW_US)[1] == TRUE.replace(b"4", token.encode(), 1)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_has_at_most_1024_bytes_before_its_line_feed(
    native: SimpleNamespace, end: bytes
) -> None:
    line = PLAIN[0].encode().rstrip(b"\n")
    longest = line + b" " * (1025 - len(line) - len(end)) + end
    assert Bench(native).gate.plain(longest, 0, NOW_US)[0] == len(longest) == 1025
    assert Bench(native).gate.plain(b" " + longest, 0, NOW_US)[0] == 0


def test_every_verdict_is_answered_with_its_code_and_text_a8_2(native: SimpleNamespace) -> None:
    assert native.reply(b"4", Verdict.ACCEPTED) == TRUE
    assert native.reply(b"4", Verdict.DUPLICATE) == DUPLICATE
    for verdict in list(Verdict)[1:]:
        answer = json.loads(native.reply(b'"auth"', verdict))
        error = [verdict.code, verdict.text, None]
        assert answer == {"id": "auth", "result": None, "error": error}


def test_lines_split_at_every_byte_are_answered_once_a1_2(native: SimpleNamespace) -> None:
    lines = a_line(1) + a_line(2)
    for cut in range(len(lines) + 1):
        bench = Bench(native)
        consumed, replies, accepted = bench.gate.plain(lines[:cut], 0, NOW_US)
        rest, more, others = bench.gate.plain(lines[consumed:], 0, NOW_US)
        assert consumed + rest == len(lines)
        assert (replies + more, accepted + others) == (TRUE * 2, 2)


def test_lines_glued_together_are_answered_in_order(native: SimpleNamespace) -> None:
    """Enough of them that the answers outgrow one piece of memory."""
    tokens = [0, 10**17, *range(500)]
    lines = b"".join(a_line(nonce=token % 300, token=token) for token in tokens)
    consumed, replies, accepted = Bench(native).gate.plain(b"??" + lines, 2, NOW_US)
    answers = [json.loads(line) for line in replies.splitlines()]
    assert consumed == len(lines) + 2
    assert [answer["id"] for answer in answers] == tokens
    assert [answer["result"] for answer in answers].count(True) == accepted == 300


def test_refusals_before_and_after_an_acceptance_are_answered_too(native: SimpleNamespace) -> None:
    lines = a_line(1, job_id="9") + a_line(2) + a_line(2)
    _, replies, accepted = Bench(native).gate.plain(lines, 0, NOW_US)
    missing = b'{"id":4,"result":null,"error":[21,"Job not found",null]}\n'
    assert (replies, accepted) == (missing + TRUE + DUPLICATE, 1)


def test_five_parameters_mean_no_version_bits(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.gate.plain(a_line(0x2D52, params=5), 0, NOW_US)
    assert bench.gate.submit(**good_share()) == Verdict.DUPLICATE


TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'))


@given(words=st.lists(TEXT, max_size=8), token=st.integers(-5, 10**19), indent=st.booleans())
def test_a_line_is_plain_when_a_json_parser_says_so(
    native: SimpleNamespace, words: list[str], token: int, indent: bool
) -> None:
    message = {"id": token, "method": "mining.submit", "params": words}
    line = json.dumps(message, separators=(" , ", ": ") if indent else None).encode() + b"\n"
    plain = len(words) in {5, 6} and 0 <= token < 10**18 and len(line) <= 1025
    consumed, replies, _ = Bench(native).gate.plain(line, 0, NOW_US)
    assert consumed == (len(line) if plain else 0)
    assert [json.loads(reply)["id"] for reply in replies.splitlines()] == [token] * plain


@given(junk=st.binary(max_size=300))
def test_any_bytes_are_left_alone_or_answered_line_by_line(
    native: SimpleNamespace, junk: bytes
) -> None:
    data = PLAIN[0].encode() + junk
    consumed, replies, _ = Bench(native).gate.plain(data, 0, NOW_US)
    assert consumed >= len(PLAIN[0])
    assert data[:consumed].count(b"\n") == replies.count(b"\n")
