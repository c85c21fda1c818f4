"""One line to many sockets: each gets it once, and who takes less is named with how much."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.native.conftest import Implementation

LINE = b"notify\n" * 200
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    """Four connections, ours and theirs; ours do not block."""
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(4)]
        for ours, theirs in made:
            stack.enter_context(ours)
            stack.enter_context(theirs)
            ours.setblocking(False)
        yield made


def fill(ours: socket.socket) -> int:
    """Send until the socket takes no more; return how much it took."""
    sent = 0
    try:
        while True:
            sent += ours.send(b"x" * 4096)
    except BlockingIOError:
        return sent


def test_each_socket_gets_the_whole_line_once(native: Implementation, pairs: list[Pair]) -> None:
    assert native.send_to_each([ours.fileno() for ours, _ in pairs], LINE) == []
    for ours, theirs in pairs:
        ours.close()
        assert theirs.makefile("rb").read() == LINE


def test_one_descriptor_twice_gets_the_line_twice(
    native: Implementation, pairs: list[Pair]
) -> None:
    ours, theirs = pairs[0]
    assert native.send_to_each([ours.fileno()] * 2, LINE) == []
    ours.close()
    assert theirs.makefile("rb").read() == LINE * 2


def test_a_full_and_a_broken_socket_take_nothing_and_hold_up_nobody(
    native: Implementation, pairs: list[Pair]
) -> None:
    fill(pairs[1][0])
    pairs[2][1].close()
    descriptors = [ours.fileno() for ours, _ in pairs]
    assert native.send_to_each(descriptors, LINE) == [(1, 0), (2, 0)]
    for place in (0, 3):
        assert pairs[place][1].recv(2 * len(LINE)) == LINE


def test_a_closed_descriptor_takes_nothing(native: Implementation, pairs: list[Pair]) -> None:
    number = pairs[0][0].fileno()
    pairs[0][0].close()
    assert native.send_to_each([number], LINE) == [(0, 0)]


def test_a_socket_that_takes_a_part_says_how_much(
    native: Implementation, pairs: list[Pair]
) -> None:
    ours, theirs = pairs[0]
    long = b"0123456789abcdef" * 100_000
    ((place, taken),) = native.send_to_each([ours.fileno()], long)
    assert place == 0
    assert 0 < taken < len(long)
    ours.close()
    assert theirs.makefile("rb").read() == long[:taken]


def test_nobody_and_nothing_are_fine(native: Implementation, pairs: list[Pair]) -> None:
    assert native.send_to_each([], LINE) == []
    assert native.send_to_each([pairs[0][0].fileno()], b"") == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (((1,), LINE), "TypeError: descriptors must be a list, not tuple"),
        (([1], "line"), "TypeError: line must be bytes, not str"),
        ((["1"], LINE), "TypeError: descriptor must be an int, not str"),
        (([-1], LINE), "OverflowError: descriptor must be in 0..2147483647"),
        (([2**31], LINE), "OverflowError: descriptor must be in 0..2147483647"),
    ],
)
def test_what_is_no_descriptor_or_no_line_is_refused(
    native: Implementation, arguments: tuple[object, object], error: str
) -> None:
    with pytest.raises((TypeError, OverflowError)) as refused:
        native.send_to_each(*arguments)
    assert f"{refused.type.__name__}: {refused.value}" == error


def test_nothing_is_sent_where_one_descriptor_is_none(
    native: Implementation, pairs: list[Pair]
) -> None:
    ours, theirs = pairs[0]
    with pytest.raises(OverflowError):
        native.send_to_each([ours.fileno(), -1], LINE)
    ours.close()
    assert theirs.recv(10) == b""
