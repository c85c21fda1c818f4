"""Claims about Bitcoin's encodings, against the reference vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.bitcoin import (
    compact_size,
    hash_hex,
    hash_le,
    hashes_le,
    push_data,
    push_height,
    stratum_prevhash,
    target_from_bits,
)
from kench.pool.work import DIFFICULTY_1_TARGET


@pytest.mark.parametrize(
    ("height", "push"),
    [
        (0, "00"),
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),
        (255, "02ff00"),
        (256, "020001"),
        (32767, "02ff7f"),
        (32768, "03008000"),
        (900000, "03a0bb0d"),
    ],
)
def test_heights_are_pushed_as_bip34_wants(height: int, push: str) -> None:
    assert push_height(height).hex() == push


@pytest.mark.parametrize(
    ("count", "encoded"),
    [(0, "00"), (252, "fc"), (253, "fdfd00"), (65535, "fdffff"), (65536, "fe00000100")],
)
def test_compact_sizes_take_the_shortest_form(count: int, encoded: str) -> None:
    assert compact_size(count).hex() == encoded
    assert compact_size(2**32).hex() == "ff0000000001000000"


@given(st.binary(min_size=32, max_size=32))
def test_a_hash_keeps_its_bytes_through_both_spellings(raw: bytes) -> None:
    assert hash_le(hash_hex(raw)) == raw
    groups = [hash_hex(raw)[i : i + 8] for i in range(0, 64, 8)]
    assert stratum_prevhash(raw) == "".join(reversed(groups))


@given(st.lists(st.binary(min_size=32, max_size=32)))
def test_many_hashes_are_turned_as_one_is(raws: list[bytes]) -> None:
    assert hashes_le([hash_hex(raw) for raw in raws]) == b"".join(raws)


@pytest.mark.parametrize(
    "spelled",
    [["ab" * 31, "ab" * 33], ["ab" * 31 + "  "], ["ab" * 31 + " ab"], ["zz" * 32], [""]],
)
def test_a_hash_of_wrong_size_among_many_is_refused(spelled: list[str]) -> None:
    with pytest.raises(ValueError, match=r"hex"):
        hashes_le(spelled)


def test_compact_targets_expand() -> None:
    assert target_from_bits(0x1D00FFFF) == DIFFICULTY_1_TARGET
    assert target_from_bits(0x207FFFFF) == 0x7FFFFF << 232
    assert target_from_bits(0x03123456) == 0x123456
    assert target_from_bits(0x02123456) == 0x1234


@pytest.mark.parametrize("nbits", [0, 0x1D80FFFF, 0x23010000, 0xFF7FFFFF, 0x01000001])
def test_compact_forms_of_no_target_are_refused(nbits: int) -> None:
    with pytest.raises(ValueError, match="nbits"):
        target_from_bits(nbits)


def test_pushes_and_hashes_of_wrong_size_are_refused() -> None:
    with pytest.raises(ValueError, match="75 bytes"):
        push_data(bytes(76))
    with pytest.raises(ValueError, match="64 hex"):
        hash_le("00" * 31)
    with pytest.raises(ValueError, match="negative"):
        push_height(-1)
