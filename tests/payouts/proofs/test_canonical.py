"""A value has one text, and what is read has exactly its shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.proofs.canonical import decimal, decode, encode, hex_of, natural
from kench.payouts.proofs.errors import ProofRefusedError

SHAPE = {"a": natural, "b": [{"c": decimal}], "d": hex_of(2)}
TRUE = b'{"a":1,"b":[{"c":"12"}],"d":"00ff"}'


def test_a_value_of_its_shape_is_read() -> None:
    assert encode(decode(TRUE, SHAPE, "it")) == TRUE


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"1" * 5000, "cannot be read"),
        (b'{"a":1.0,"b":[],"d":"00ff"}', "no fractions"),
        (b'{"a":NaN,"b":[],"d":"00ff"}', "no fractions"),
        (b'{"a":"\\ud800","b":[],"d":"00ff"}', "cannot be read"),
        (b"[]", "no object"),
        (TRUE + b" ", "canonical"),
        (b'{"a":1,"a":1,"b":[],"d":"00ff"}', "canonical"),
        (b'{"b":[],"a":1,"d":"00ff"}', "canonical"),
        (b'{"a":1,"b":[]}', "has no d"),
        (b'{"a":1,"b":[],"d":"00ff","e":1}', "'e', which nobody knows"),
        (b'{"a":true,"b":[],"d":"00ff"}', "it: a is not"),
        (b'{"a":-1,"b":[],"d":"00ff"}', "it: a is not"),
        (b'{"a":9223372036854775808,"b":[],"d":"00ff"}', "it: a is not"),
        (b'{"a":1,"b":{},"d":"00ff"}', "it: b is no list"),
        (b'{"a":1,"b":[{"c":"012"}],"d":"00ff"}', "it: b, 0: c is not"),
        (b'{"a":1,"b":[{"c":"1\\n"}],"d":"00ff"}', "it: b, 0: c is not"),
        (b'{"a":1,"b":[{"c":12}],"d":"00ff"}', "it: b, 0: c is not"),
        (b'{"a":1,"b":[],"d":"00FF"}', "it: d is not"),
        (b'{"a":1,"b":[],"d":"00f"}', "it: d is not"),
    ],
)
def test_anything_else_is_refused_and_named(raw: bytes, words: str) -> None:
    with pytest.raises(ProofRefusedError, match=words):
        decode(raw, SHAPE, "it")


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    with pytest.raises(ProofRefusedError):
        decode(raw, SHAPE, "it")
