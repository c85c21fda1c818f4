"""A message of the stream is read as it was written, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.shipping.frames import Kind, placed_frame
from kench.pool.stream.message import (
    Stand,
    StreamMessageError,
    Word,
    message_id,
    message_of,
    read_message,
)

NUMBER = st.integers(0, 2**64 - 1)
STANDS = st.builds(
    Stand, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, st.integers(0, 2**32 - 1),
    st.sampled_from(Word),
)  # fmt: skip


@given(stand=STANDS, content=st.binary(max_size=200))
def test_what_is_written_is_read(stand: Stand, content: bytes) -> None:
    frames, read = read_message(message_of([placed_frame(Kind.SHARES, 3, 64, content)], stand))
    assert read == stand
    assert [kind for kind, _ in frames] == [Kind.SHARES]
    assert frames[0][1].endswith(content)


@given(stand=STANDS, content=st.binary(max_size=50), data=st.data())
def test_a_changed_or_cut_message_is_refused(
    stand: Stand, content: bytes, data: st.DataObject
) -> None:
    message = bytearray(message_of([placed_frame(Kind.JOBS, 3, 0, content)], stand))
    # The three zeros of a frame's head say nothing.
    places = [at for at in range(12) if at % 12 < 9]
    at = data.draw(st.sampled_from([*places, *range(12, 28 + len(content))]))
    message[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StreamMessageError):
        read_message(bytes(message))
    with pytest.raises(StreamMessageError):
        read_message(message_of([], stand)[:-1])


@given(stand=STANDS, before=st.tuples(NUMBER, NUMBER, NUMBER))
def test_a_name_is_that_of_one_content(stand: Stand, before: tuple[int, int, int]) -> None:
    name = message_id(7, 3, before, stand)
    assert name == message_id(7, 3, before, stand)
    assert name != message_id(8, 3, before, stand)
    assert name != message_id(7, 3, before, stand._replace(life=stand.life ^ 1))
    assert name != message_id(7, 3, before, stand._replace(watermark_us=stand.watermark_us ^ 1))
    assert name != message_id(7, 3, before, stand._replace(shares=stand.shares ^ 1))
    assert name != message_id(7, 4, before, stand)
