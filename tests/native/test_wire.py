"""The plain way of a connection: what waits for the batch, in which order, what goes elsewhere."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.native import Verdict

from .builders import ANY_HASH, NAME, NOW_US, Bench, a_job, a_line, outcome
from .conftest import Implementation
from .test_sending import fill

LINES = ["share", "pair", "wrong", "mixed", "cut", "general"]
OTHER = ["queue", "send", "take", "turn", "jam", "clear", "shut", "open"]
STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(LINES + OTHER)), max_size=40)


class Line:
    """One wire whose connection writes down what it is asked; its peer is a real socket."""

    def __init__(self, hall: "Hall", number: int) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.bench_gate = hall.native.Gate(hall.bench.table, hall.bench.records, b"abc%d" % number)
        self.bench_gate.allow(NAME, 17, number)
        self.bench_gate.set_mask(0x1FFFE000)
        self.bench_gate.set_difficulty(1.0, ANY_HASH, 1)
        self.bench_gate.tell(0.0, 1000)
        self.asked: list[tuple[str, object]] = []
        self.clear = True
        asked, line = self.asked, self

        class Connection(hall.native.Wire):  # type: ignore[misc] # of either implementation
            def take(self, data: bytes) -> None:
                asked.append(("take", data))

            def write(self, reply: bytes) -> None:
                asked.append(("write", reply))

            def look(self) -> None:
                asked.append(("look", hall.bench.table.take_candidates() != []))

            def is_clear(self) -> bool:
                asked.append(("is_clear", line.clear))
                self.occupied = not line.clear
                return line.clear

            def deliver(self, reply: bytes) -> None:
                asked.append(("deliver", reply))

        self.wire = Connection()
        self.wire.attach(self.bench_gate, hall.outbox)
        self.wire.descriptor = self.ours.fileno()
        self.wire.plain = True

    def heard(self) -> bytes:
        """What came to the peer since last asked."""
        try:
            return self.theirs.recv(1 << 20)
        except BlockingIOError:
            return b""


class Hall:
    """Some wires of one implementation around one outbox."""

    def __init__(self, native: Implementation, lines: int = 3) -> None:
        self.native = native
        self.bench = Bench(native)
        self.turns = 0
        self.outbox = native.Outbox(self._on_turn)
        self.lines = [Line(self, number) for number in range(lines)]

    def _on_turn(self) -> None:
        self.turns += 1
        self.outbox.begin_turn(NOW_US, 5.0)

    def send(self) -> None:
        self.outbox.take().send()

    def close(self) -> None:
        for line in self.lines:
            line.ours.close()
            line.theirs.close()


def true(token: int) -> bytes:
    return b'{"id":%d,"result":true,"error":null}\n' % token


def refused(token: int, verdict: Verdict) -> bytes:
    return b'{"id":%d,"result":null,"error":[%d,"%b",null]}\n' % (
        token,
        verdict.code,
        verdict.text.encode(),
    )


@pytest.fixture
def hall(native: Implementation) -> Iterator[Hall]:
    with ExitStack() as stack:
        made = Hall(native)
        stack.callback(made.close)
        yield made


WRONG = a_line(1, 7, job_id="99")
WRONG_REPLY = refused(7, Verdict.JOB_NOT_FOUND)


def test_the_reply_to_an_accepted_share_waits_until_its_batch_is_sent(hall: Hall) -> None:
    line = hall.lines[0]
    line.wire.data_received(a_line(1, 4))
    assert line.wire.awaiting == 1
    assert len(hall.outbox) == 1
    batch = hall.outbox.take()
    assert len(hall.outbox) == 0
    assert line.heard() == b""
    batch.send()
    assert line.heard() == true(4)
    assert line.wire.awaiting == 0
    batch.send()
    assert line.heard() == b""
    assert line.asked == []


def test_pieces_of_one_wire_are_counted_once_until_another_comes_between(hall: Hall) -> None:
    first, second, _ = hall.lines
    counted = []
    for line in (first, first, second, first, first):
        line.wire.queue(b"x")
        counted.append(len(hall.outbox))
    assert counted == [1, 1, 2, 3, 3]


def test_an_empty_reply_may_be_owed_like_others(hall: Hall) -> None:
    line = hall.lines[0]
    line.wire.queue(b"")
    assert (line.wire.awaiting, len(hall.outbox)) == (1, 1)
    hall.send()
    assert (line.wire.awaiting, line.heard(), line.asked) == (0, b"", [])


def test_a_refusal_is_written_at_once_where_nothing_waits_and_in_order_where_something_does(
    hall: Hall,
) -> None:
    line = hall.lines[0]
    line.wire.data_received(WRONG)
    assert line.asked == [("write", WRONG_REPLY), ("look", False)]
    line.wire.data_received(a_line(1, 4))
    line.wire.data_received(WRONG)
    assert line.asked[2:] == [("look", False)]
    hall.send()
    assert line.heard() == true(4) + WRONG_REPLY


def test_replies_of_interleaved_wires_come_whole_and_in_order(hall: Hall) -> None:
    for token in range(5):
        for line in hall.lines:
            line.wire.data_received(a_line(token, token) + a_line(100 + token, 10 + token))
    hall.lines[1].wire.queue(b"and this\n")
    assert [line.wire.awaiting for line in hall.lines] == [1, 1, 1]
    hall.send()
    whole = b"".join(true(token) + true(10 + token) for token in range(5))
    assert [line.heard() for line in hall.lines] == [whole, whole + b"and this\n", whole]


def test_a_wire_awaits_as_many_batches_as_owe_it_something(hall: Hall) -> None:
    line = hall.lines[0]
    line.wire.data_received(a_line(1, 4))
    first = hall.outbox.take()
    line.wire.data_received(a_line(2, 5))
    line.wire.data_received(a_line(3, 6))
    second = hall.outbox.take()
    assert line.wire.awaiting == 2
    first.send()
    second.send()
    assert line.heard() == true(4) + true(5) + true(6)
    assert line.wire.awaiting == 0


def test_what_is_not_plain_is_for_the_connection_from_there_on(hall: Hall) -> None:
    line = hall.lines[0]
    other = b'{"id":9,"method":"mining.ping","params":[]}\n'
    line.wire.data_received(a_line(1, 4) + other + a_line(2, 5))
    assert line.asked == [("take", other + a_line(2, 5))]
    line.wire.data_received(a_line(3, 6)[:20])
    assert line.asked[1:] == [("take", a_line(3, 6)[:20])]
    line.wire.plain = False
    line.wire.data_received(a_line(4, 7))
    assert line.asked[2:] == [("take", a_line(4, 7))]
    hall.send()
    assert line.heard() == true(4)


def test_a_wire_that_is_not_clear_gets_all_of_a_batch_by_its_connection(hall: Hall) -> None:
    jammed, gone, cleared = hall.lines
    jammed.clear = False
    jammed.wire.occupied = cleared.wire.occupied = True
    gone.wire.descriptor = -1
    for line in (*hall.lines, *hall.lines):
        line.wire.data_received(a_line(len(line.asked) + line.bench_gate.accepted, 4))
    hall.send()
    assert jammed.asked == [("is_clear", False), ("deliver", true(4) * 2)]
    assert gone.asked == [("deliver", true(4) * 2)]
    assert cleared.asked == [("is_clear", True)]
    assert not cleared.wire.occupied
    assert [line.heard() for line in hall.lines] == [b"", b"", true(4) * 2]


def test_what_a_socket_does_not_take_is_for_the_connection(hall: Hall) -> None:
    full, broken, part = hall.lines
    fill(full.ours)
    broken.theirs.close()
    long = b"0123456789abcdef" * 100_000
    full.wire.queue(b"a")
    broken.wire.queue(b"b")
    part.wire.queue(long)
    hall.send()
    assert full.asked == [("deliver", b"a")]
    assert broken.asked == [("deliver", b"b")]
    ((asked, rest),) = part.asked
    assert asked == "deliver"
    assert isinstance(rest, bytes)
    assert 0 < len(rest) < len(long)
    assert long.endswith(rest)


def test_the_connection_looks_after_a_refusal_a_candidate_and_as_many_shares_as_were_named(
    hall: Hall,
) -> None:
    line = hall.lines[0]
    hall.bench.table.add(a_job(hall.native, 2, block_target_le=ANY_HASH))
    line.wire.data_received(a_line(1))
    assert line.asked == []
    line.wire.data_received(a_line(1))
    assert line.asked == [("look", False)]  # a duplicate
    line.wire.data_received(a_line(1, job_id="2"))
    assert line.asked[1:] == [("look", True)]
    line.bench_gate.tell(0.0, 4)
    line.wire.data_received(a_line(2))
    assert line.asked[2:] == []
    line.wire.data_received(a_line(3))
    assert line.asked[2:] == [("look", False)]
    assert line.bench_gate.take_counted() == (4, 4)


def test_shares_no_later_than_was_named_are_counted_but_not_told(hall: Hall) -> None:
    line = hall.lines[0]
    line.bench_gate.tell(5.0, 1)  # which is the time of the turn
    line.wire.data_received(a_line(1) + a_line(2))
    assert line.asked == []
    assert line.bench_gate.take_counted() == (2, 0)
    assert not line.bench_gate.count(1, 5.0)
    assert line.bench_gate.count(1, 5.1)
    assert line.bench_gate.take_counted() == (2, 1)
    assert line.bench_gate.take_counted() == (0, 0)


def test_the_time_is_asked_for_once_a_turn(hall: Hall) -> None:
    for line in hall.lines:
        line.wire.data_received(a_line(1))
    assert hall.turns == 1
    hall.outbox.end_turn()
    hall.lines[0].wire.data_received(a_line(2))
    assert hall.turns == 2


def test_a_batch_that_is_never_sent_lets_go_of_its_wires(hall: Hall) -> None:
    hall.lines[0].wire.queue(b"lost\n")
    hall.outbox.take()
    assert hall.lines[0].wire.awaiting == 1


def walk(hall: Hall, steps: list[tuple[int, str]]) -> list[object]:
    """Do as told; return all that can be seen of it."""
    seen: list[object] = []
    batches = []
    for step, (place, what) in enumerate(steps):
        line = hall.lines[place]
        data = {
            "share": a_line(step, step),
            "pair": a_line(step, step) + a_line(step + 1000, step),
            "wrong": WRONG,
            "mixed": WRONG + a_line(step, step) + WRONG,
            "cut": a_line(step, step) + a_line(step + 1000, step)[:30],
            "general": WRONG + b"{}\n" + a_line(step, step),
        }.get(what)
        if data is not None:
            line.wire.data_received(data)
        elif what == "queue":
            line.wire.queue(b"%d\n" % step)
        elif what == "take":
            batches.append(hall.outbox.take())
        elif what == "send" and batches:
            batches.pop(0).send()
        elif what == "turn":
            hall.outbox.end_turn()
        elif what in {"jam", "clear"}:
            line.clear = what == "clear"
            line.wire.occupied = True
        elif what in {"shut", "open"}:
            line.wire.plain = what == "open"
        seen.append(
            (hall.turns, len(hall.outbox), [(one.wire.awaiting, one.heard()) for one in hall.lines])
        )
    return [*seen, *(line.asked for line in hall.lines), hall.bench.records.take()]


@given(steps=STEPS)
def test_wires_agree(twins: tuple[Implementation, Implementation], steps: Any) -> None:
    seen = []
    for native in twins:
        hall = Hall(native)
        try:
            seen.append(walk(hall, steps))
        finally:
            hall.close()
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("queue", ("text",)),
        ("data_received", (None,)),
        ("attach", (None, None)),
    ],
)
def test_wires_refuse_alike(
    twins: tuple[Implementation, Implementation], method: str, arguments: tuple[object, ...]
) -> None:
    said = []
    for native in twins:
        hall = Hall(native)
        try:
            said.append(outcome(getattr(hall.lines[0].wire, method), *arguments))
        finally:
            hall.close()
    assert said[0] == said[1]
    assert isinstance(said[0], tuple)
