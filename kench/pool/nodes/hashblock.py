"""New tips by ZMQ: Core's `hashblock` topic, one subscriber for each node that publishes it."""

import threading
from collections.abc import Callable, Mapping

import zmq

from kench.pool.rpc import NodeAddressError

TOPIC = b"hashblock"
# A feed only hints at the newest tip; older hints waiting are worth nothing.
MESSAGES_WAITING_MAX = 16
STOP_CHECK_MS = 200
_SEQUENCE_MODULUS = 1 << 32


class HashblockFeed:
    """Listens to `endpoints` (node index -> `tcp://host:port`) in one thread.

    `on_hash(index, hash)` tells a block hash in display order; `on_gap(index)` that messages were
    lost, which the four-byte sequence number shows (B6). A feed is a hint: it says nothing after
    invalidateblock and may skip blocks, so polling goes on beside it.
    """

    def __init__(
        self,
        endpoints: Mapping[int, str],
        on_hash: Callable[[int, str], None],
        on_gap: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        self._on_hash = on_hash
        self._on_gap = on_gap
        self._stop = stop
        self._expected: dict[int, int] = {}
        self._context = zmq.Context()
        self._sockets: dict[zmq.Socket[bytes], int] = {}
        try:
            for index, endpoint in endpoints.items():
                self._sockets[self._subscribe(endpoint)] = index
        except NodeAddressError:
            self.close()
            raise

    def _subscribe(self, endpoint: str) -> "zmq.Socket[bytes]":
        feed = self._context.socket(zmq.SUB)
        feed.setsockopt(zmq.LINGER, 0)
        feed.setsockopt(zmq.RCVHWM, MESSAGES_WAITING_MAX)
        feed.setsockopt(zmq.RECONNECT_IVL, 100)
        feed.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        # A silent peer is noticed and connected anew, even where a firewall forgot the connection.
        feed.setsockopt(zmq.TCP_KEEPALIVE, 1)
        feed.setsockopt(zmq.SUBSCRIBE, TOPIC)
        try:
            feed.connect(endpoint)
        except zmq.ZMQError as error:
            feed.close()
            raise NodeAddressError(f"KENCH_NODE_ZMQ: {endpoint!r} is no ZMQ endpoint") from error
        return feed

    def run(self) -> None:
        """Listen until stopped; the body of the feed's thread, which closes the sockets."""
        poller = zmq.Poller()
        for feed in self._sockets:
            poller.register(feed, zmq.POLLIN)
        while not self._stop.is_set():
            for feed, _ in poller.poll(STOP_CHECK_MS):
                self._take(self._sockets[feed], feed.recv_multipart(zmq.NOBLOCK))
        self.close()

    def close(self) -> None:
        """Close sockets and context."""
        for feed in self._sockets:
            feed.close()
        self._context.term()

    def _take(self, index: int, parts: list[bytes]) -> None:
        if len(parts) != 3 or parts[0] != TOPIC or len(parts[1]) != 32 or len(parts[2]) != 4:
            # Not what Core sends; a poll tells the truth.
            self._on_gap(index)
            return
        sequence = int.from_bytes(parts[2], "little")
        expected = self._expected.get(index)
        self._expected[index] = (sequence + 1) % _SEQUENCE_MODULUS
        if expected is not None and sequence != expected:
            self._on_gap(index)
        self._on_hash(index, parts[1].hex())
