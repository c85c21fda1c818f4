"""The plain way of a connection in plain Python: the specification of the compiled wire.

Nearly all that a pool hears are plain submit lines, of thousands of connections in turn. These are
judged as they come and their replies wait in an outbox, without anything else being looked at.
"""

import os
from collections.abc import Callable

from kench.native.checks import I63_MAX, check_bytes, check_int, check_kind
from kench.native.twin_gate import Gate


class Replies:
    """What one batch owes to its wires, each piece in the order it was queued."""

    def __init__(self) -> None:
        self._waiting: dict[Wire, bytearray] = {}
        self._pieces = 0
        self._newest: Wire | None = None

    def __len__(self) -> int:
        """Return how many pieces wait, those queued one right after the other counted once."""
        return self._pieces

    def add(self, wire: "Wire", reply: bytes) -> None:
        """Owe a wire a reply; all of one batch count as one in its ``awaiting``."""
        if wire not in self._waiting:
            self._waiting[wire] = bytearray()
            wire.awaiting += 1
        if wire is not self._newest:
            self._newest = wire
            self._pieces += 1
        self._waiting[wire] += reply

    def send(self) -> None:
        """Send what is owed, once: straight to the sockets that are clear for it.

        What a socket does not take, and all of wires that are not clear, is for ``deliver``. The
        compiled function lets go of the interpreter lock once, around all sockets.
        """
        waiting = self._waiting
        self._waiting, self._pieces, self._newest = {}, 0, None
        direct: list[tuple[Wire, bytes]] = []
        for wire, gathered in waiting.items():
            wire.awaiting -= 1
            reply = bytes(gathered)
            if wire.descriptor < 0 or (wire.occupied and not wire.is_clear()):
                wire.deliver(reply)
            else:
                direct.append((wire, reply))
        short = []
        for wire, reply in direct:
            try:
                taken = os.write(wire.descriptor, reply)
            except OSError:
                taken = 0
            if taken != len(reply):
                short.append((wire, reply[taken:]))
        for wire, rest in short:
            wire.deliver(rest)


class Outbox:
    """The replies that wait for their shares to be on disk, and the time of this turn.

    ``on_turn`` is called when lines come and no time is known; it calls ``begin_turn``, and sees
    to it that ``end_turn`` and what must be done with the replies follow.
    """

    def __init__(self, on_turn: Callable[[], None]) -> None:
        self.on_turn = on_turn
        self.replies = Replies()
        self.now_us = 0
        self.now = 0.0
        self.has_time = False

    def __len__(self) -> int:
        """Return how many pieces wait."""
        return len(self.replies)

    def begin_turn(self, now_us: int, now: float) -> None:
        """Give the time that holds until the turn ends."""
        check_int("now_us", now_us, I63_MAX)
        self.now_us, self.now, self.has_time = now_us, now, True

    def end_turn(self) -> None:
        """Have ``on_turn`` called when lines come again."""
        self.has_time = False

    def take(self) -> Replies:
        """Hand out what waits, and begin anew."""
        taken, self.replies = self.replies, Replies()
        return taken


class Wire:
    """One connection's plain submit lines in, and its replies out; its subclass does the rest.

    ``plain`` lets lines be judged here. ``descriptor`` is a socket that takes bytes as they are,
    or -1; ``occupied`` says that bytes of ours may still wait elsewhere to go there first.
    ``awaiting`` counts the batches that owe this wire something. The subclass has

        take(data)      whatever is not plain, or comes while ``plain`` is not set
        write(reply)    send at once, for nothing that was sent before waits for a batch
        look()          some share was refused, met a block target, or ``Gate.count`` says so
        is_clear()      no byte waits elsewhere: clears ``occupied``
        deliver(reply)  send what the descriptor did not take, or must not
    """

    __slots__ = ("awaiting", "descriptor", "gate", "occupied", "outbox", "plain")

    gate: Gate
    outbox: Outbox

    def __init__(self, *_: object, **__: object) -> None:
        self.descriptor = -1
        self.plain = False
        self.occupied = False
        self.awaiting = 0

    def attach(self, gate: Gate, outbox: Outbox) -> None:
        """Say who judges this wire's lines, and where replies wait."""
        check_kind("gate", gate, Gate)
        check_kind("outbox", outbox, Outbox)
        self.gate, self.outbox = gate, outbox

    def queue(self, reply: bytes) -> None:
        """Have a reply sent once everything recorded so far is on disk."""
        check_bytes("reply", reply)
        self.outbox.replies.add(self, reply)

    def data_received(self, data: bytes) -> None:
        """Judge the plain lines that came; give the rest to ``take``.

        Replies wait for the batch if a share was accepted, or if some wait already; others are
        written at once.
        """
        check_bytes("data", data)
        at = 0
        if self.plain:
            at = self._judge(data)
            if at == len(data):
                return
        self.take(data[at:])

    def _judge(self, data: bytes) -> int:
        outbox, gate = self.outbox, self.gate
        if not outbox.has_time:
            outbox.on_turn()
        refused = gate.refused
        at, replies, accepted = gate.plain(data, 0, outbox.now_us)
        notable = bool(accepted) and gate.count(accepted, outbox.now)
        if accepted or self.awaiting:
            if at:
                self.queue(replies)
        elif at:
            self.write(replies)
        if notable or gate.refused != refused or gate.table.candidates:
            self.look()
        return at

    def take(self, data: bytes) -> None:
        """Take what is not plain."""
        raise NotImplementedError

    def write(self, reply: bytes) -> None:
        """Send at once."""
        raise NotImplementedError

    def look(self) -> None:
        """See to what is more than a share accepted."""
        raise NotImplementedError

    def is_clear(self) -> bool:
        """Say whether no byte waits elsewhere."""
        raise NotImplementedError

    def deliver(self, reply: bytes) -> None:
        """Send by other ways than the descriptor."""
        raise NotImplementedError
