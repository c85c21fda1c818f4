"""A slow line: a host's cable led through a process that delays and loses what passes.

The kernel's netem does the same where it is built in; this needs packet sockets alone. The frames
keep the kernel's own word on their checksums and sizes (PACKET_VNET_HDR), so that nothing needs to
be switched off on the hosts.
"""

import contextlib
import heapq
import itertools
import random
import selectors
import socket
import threading
import time
from collections.abc import Iterator

from tests.chaos.hosts import Network

SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL = 263, 15, 3
PACKET_OUTGOING = 4
FRAME_BYTES_MAX = 65_536 + 64
WAITING_MAX = 4096
"""Frames on the way at once; a line that is fuller loses what comes, as lines do."""
JOIN_S = 5.0


@contextlib.contextmanager
def slowed(
    network: Network, name: str, chance: random.Random, *, delay_s: float, loss: float
) -> Iterator[None]:
    """Delay what a host sends and gets by `delay_s` each way, and lose a part of it.

    The delay varies by a fifth. `chance` is used by the line alone.
    """
    port = network[name].port
    network.at_switch("link", "add", "slow0", "type", "veth", "peer", "name", "slow1")
    line = None
    try:
        network.at_switch("link", "set", port, "nomaster")
        network.at_switch("link", "set", "slow1", "master", "br0", "up")
        network.at_switch("link", "set", "slow0", "up")
        ends = network.switch.within(lambda: (_opened(port), _opened("slow0")))
        line = Line(*ends, chance, delay_s, loss)
        line.start()
        yield
    finally:
        if line is not None:
            line.stop()
        network.at_switch("link", "del", "slow0")
        network.at_switch("link", "set", port, "master", "br0")


def _opened(name: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    opened.bind((name, ETH_P_ALL))
    # What passes meanwhile is for others too: the bridge's address is not on this port.
    opened.setsockopt(SOL_PACKET, 1, _all_frames_of(name))
    opened.setblocking(False)
    return opened


def _all_frames_of(name: str) -> bytes:
    """`struct packet_mreq` that asks for every frame of a port (PACKET_MR_PROMISC)."""
    return socket.if_nametoindex(name).to_bytes(4, "little") + (1).to_bytes(2, "little") + bytes(10)


class Line(threading.Thread):
    """Carries frames between two packet sockets, late."""

    def __init__(
        self,
        one: socket.socket,
        other: socket.socket,
        chance: random.Random,
        delay_s: float,
        loss: float,
    ) -> None:
        super().__init__(daemon=True)
        self._ends = {one: other, other: one}
        self._chance, self._delay_s, self._loss = chance, delay_s, loss
        self._waiting: list[tuple[float, int, socket.socket, bytes]] = []
        self._serial = itertools.count()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Carry frames until stopped."""
        with selectors.DefaultSelector() as selector:
            for end in self._ends:
                selector.register(end, selectors.EVENT_READ)
            while not self._stopped.is_set():
                due_s = self._waiting[0][0] - time.monotonic() if self._waiting else 0.1
                for key, _ in selector.select(min(0.1, max(0.0, due_s))):
                    self._take(key.fileobj)
                self._send_due()

    def stop(self) -> None:
        """End it; what is on the way is lost."""
        self._stopped.set()
        self.join(JOIN_S)
        for end in self._ends:
            end.close()

    def _take(self, end: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, source = end.recvfrom(FRAME_BYTES_MAX)
                lost = self._chance.random() < self._loss or len(self._waiting) >= WAITING_MAX
                if source[2] == PACKET_OUTGOING or lost:
                    continue
                delay_s = self._delay_s * self._chance.uniform(0.9, 1.1)
                due = time.monotonic() + delay_s
                heapq.heappush(self._waiting, (due, next(self._serial), self._ends[end], frame))

    def _send_due(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(self._waiting)
            # A full queue of the device, or one that was taken away: the frame is lost.
            with contextlib.suppress(OSError):
                end.send(frame)
