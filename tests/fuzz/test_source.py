import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.source import Source


def choices(data: bytes) -> list[object]:
    source = Source(data)
    return [
        source.below(7),
        source.once_in(3),
        source.pick("abc"),
        source.number(4),
        source.text(30),
        source.more,
        source.rest(),
    ]


@given(st.binary(max_size=60))
def test_the_same_bytes_are_the_same_choices(data: bytes) -> None:
    assert choices(data) == choices(data)


def test_past_the_end_every_choice_is_the_first() -> None:
    assert choices(b"") == [0, False, "a", 0, "", False, b""]


@pytest.mark.parametrize(("size", "number"), [(1, 1), (2, 0x0201), (8, 0x0201)])
def test_numbers_are_little_endian_and_short_at_the_end(size: int, number: int) -> None:
    assert Source(b"\x01\x02").number(size) == number
