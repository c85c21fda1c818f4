"""DER is bounded before anything reads structures, and loses only what nobody signed."""

import pytest
from asn1crypto import parser
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.signature.der import (
    DEPTH_MAX,
    ELEMENTS_MAX,
    check_der,
    elements,
    without_unsigned,
)

SEQUENCE, OCTETS, SET = 16, 4, 17
trees = st.recursive(
    st.binary(max_size=4).map(lambda data: parser.emit(0, 0, OCTETS, data)),
    lambda inner: st.lists(inner, max_size=4).map(
        lambda parts: parser.emit(0, 1, SEQUENCE, b"".join(parts))
    ),
    max_leaves=20,
)


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = parser.emit(0, 1, SEQUENCE, data)
    return data


@given(trees)
def test_whatever_is_der_passes_and_is_read_whole(data: bytes) -> None:
    check_der(data)
    (element,) = elements(data)
    assert element[3] + element[4] == data


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_but_a_value_error(data: bytes) -> None:
    for read in (check_der, elements, without_unsigned):
        try:
            read(data)  # type: ignore[operator]
        except ValueError:
            continue


def test_depth_and_number_of_elements_are_bounded() -> None:
    check_der(nested(DEPTH_MAX))
    with pytest.raises(ValueError, match="deep"):
        check_der(nested(DEPTH_MAX + 2))
    null = b"\x05\x00"
    check_der(parser.emit(0, 1, SEQUENCE, null * (ELEMENTS_MAX - 1)))
    with pytest.raises(ValueError, match="elements"):
        check_der(parser.emit(0, 1, SEQUENCE, null * ELEMENTS_MAX))
    with pytest.raises(ValueError, match="more than one"):
        check_der(null + null)
    with pytest.raises(ValueError, match="indefinite"):
        check_der(b"\x30\x80\x05\x00\x00\x00")


def test_only_unsigned_attributes_of_signers_are_taken_out() -> None:
    def sequence(*parts: bytes) -> bytes:
        return bytes(parser.emit(0, 1, SEQUENCE, b"".join(parts)))

    def signature(*signer: bytes) -> bytes:
        signers = parser.emit(0, 1, SET, sequence(*signer) * 2)
        signed = sequence(b"\x02\x01\x01", parser.emit(2, 1, 1, b"\x05\x00"), signers)
        return sequence(b"\x06\x01\x2a", parser.emit(2, 1, 0, signed))

    unsigned = parser.emit(2, 1, 1, b"\x05\x00" * 100)
    kept = (b"\x02\x01\x01", parser.emit(2, 1, 0, b"\x05\x00"), b"\x04\x01x")
    assert without_unsigned(signature(*kept, unsigned)) == signature(*kept)
    assert without_unsigned(signature(*kept)) == signature(*kept)
    assert without_unsigned(b"\x30\x00") == b"\x30\x00"
