"""Whatever comes over some wires, and however batches are sent, wire and twin do the same.

Inputs are choices: lines plain or not, whole or cut, and what the connection and the journal do.
"""

import atexit
import socket
from functools import cache
from typing import Any

from fuzz import submit_lines
from fuzz.source import Source
from fuzz.twins import ANY_HASH, NAME, NOW_S, NOW_US, TWINS, jobs

EXECUTIONS = 20
LENGTH_MAX = 512
STEPS_MAX = 40
WIRES = 2


def check(data: bytes) -> None:
    """Hold the sequence to the invariant."""
    source = Source(data)
    halls = [Hall(at) for at in range(len(TWINS))]
    for _ in range(STEPS_MAX):
        if not source.more:
            break
        place, what, argument = source.below(WIRES), source.below(16), _argument(source)
        seen = [hall.step(place, what, argument) for hall in halls]
        assert seen[0] == seen[1], (place, what, argument, seen)
    ends = [hall.end() for hall in halls]
    assert ends[0] == ends[1], ends


def _argument(source: Source) -> bytes:
    """Make some bytes as they come in one read."""
    raw = b"".join(
        submit_lines.line(source, submit_lines.share(source, 1, NOW_S))
        for _ in range(1 + source.below(3))
    )
    if source.once_in(4):
        raw += source.pick((b"{}\n", b"\n", b'{"id":1,', b"\0"))
    return raw[: source.number(2) % (len(raw) + 1)] if source.once_in(4) else raw


@cache
def _sockets() -> dict[tuple[int, int], tuple[socket.socket, socket.socket]]:
    """Return each wire's socket and its peer's, by twin and number; they serve all inputs."""
    pairs = {(twin, at): socket.socketpair() for twin in range(len(TWINS)) for at in range(WIRES)}
    for pair in pairs.values():
        for end in pair:
            end.setblocking(False)
            atexit.register(end.close)
    return pairs


class Hall:
    """The wires of one twin around one outbox; everything they ask is written down."""

    def __init__(self, twin: int) -> None:
        native = TWINS[twin]
        self.asked: list[tuple[object, ...]] = []
        self.table, self.records = native.JobTable(4, 40), native.RecordBuffer(16, 0)
        self.table.add(jobs(1, bytes(32), 0x20000000, NOW_S, 1, 8)[twin])
        self.outbox = native.Outbox(self._on_turn)
        self.batches: list[Any] = []
        self.peers = [_sockets()[twin, number][1] for number in range(WIRES)]
        self.clear = [True] * WIRES
        self.gates: list[Any] = []
        self.wires = [self._wire(native, twin, number) for number in range(WIRES)]

    def step(self, place: int, what: int, argument: bytes) -> object:
        """Do one thing; return what can be seen of it."""
        wire, gate = self.wires[place], self.gates[place]
        if what == 0:
            wire.queue(argument)
        elif what <= 2:
            self.batches.append(self.outbox.take())
        elif what <= 4 and self.batches:
            self.batches.pop(0).send()
        elif what == 5:
            self.outbox.end_turn()
        elif what == 6:
            wire.plain = not wire.plain
        elif what == 7:
            self.clear[place] = not self.clear[place]
            wire.occupied = True
        elif what == 8:
            gate.tell(float(len(argument) % 8), 1 + len(argument) % 3)
            self.asked.append(gate.take_counted())
        elif what == 9:
            wire.descriptor = -1
        else:
            wire.data_received(argument)
        waiting = [one.awaiting for one in self.wires]
        return waiting, len(self.outbox), self._heard(), len(self.asked)

    def end(self) -> object:
        """Send what waits; return all that was asked, recorded and counted."""
        for batch in [*self.batches, self.outbox.take()]:
            batch.send()
        gates = [(one.accepted, one.refused) for one in self.gates]
        return self._heard(), self.asked, gates, self.records.take(), self.table.take_tally()

    def _heard(self) -> list[bytes]:
        heard = []
        for peer in self.peers:
            try:
                heard.append(peer.recv(1 << 16))
            except BlockingIOError:
                heard.append(b"")
        return heard

    def _on_turn(self) -> None:
        self.asked.append(("turn",))
        self.outbox.begin_turn(NOW_US, 5.0)

    def _wire(self, native: Any, twin: int, number: int) -> Any:
        gate = native.Gate(self.table, self.records, b"abc%d" % number, 3)
        gate.allow(NAME, 17, number)
        gate.set_mask(0x1FFFE000)
        gate.set_difficulty(1.0, ANY_HASH, 1)
        self.gates.append(gate)
        wire = _connection(twin)()
        wire.hall, wire.number = self, number
        wire.attach(gate, self.outbox)
        wire.descriptor = _sockets()[twin, number][0].fileno()
        wire.plain = True
        return wire


@cache
def _connection(twin: int) -> type:
    """Return a connection of one twin, which asks its hall."""

    class Connection(TWINS[twin].Wire):  # type: ignore[misc,name-defined] # of either twin
        def take(self, data: bytes) -> None:
            self.hall.asked.append(("take", self.number, data))

        def write(self, reply: bytes) -> None:
            self.hall.asked.append(("write", self.number, reply))

        def look(self) -> None:
            self.hall.asked.append(("look", self.number, self.hall.table.take_candidates()))

        def is_clear(self) -> bool:
            clear = self.hall.clear[self.number]
            self.hall.asked.append(("is_clear", self.number, clear))
            self.occupied = not clear
            return clear

        def deliver(self, reply: bytes) -> None:
            self.hall.asked.append(("deliver", self.number, reply))

    return Connection
