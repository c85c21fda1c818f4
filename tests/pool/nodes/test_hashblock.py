import threading
from collections.abc import Iterator
from queue import Queue

import pytest
import zmq

from kench.pool.nodes.hashblock import HashblockFeed
from kench.pool.rpc import NodeAddressError

LIMIT_S = 10.0


class Publisher:
    """A publisher of `hashblock` as Core is one, and what a feed made of it."""

    def __init__(self) -> None:
        self.told: Queue[tuple[str, int, str]] = Queue()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self._stop = threading.Event()
        self._feed = HashblockFeed(
            {3: f"tcp://127.0.0.1:{port}"},
            lambda index, tip: self.told.put(("hash", index, tip)),
            lambda index: self.told.put(("gap", index, "")),
            self._stop,
        )
        self._thread = threading.Thread(target=self._feed.run)
        self._thread.start()
        # An XPUB socket hears of the subscription, after which nothing is lost.
        assert self._socket.poll(LIMIT_S * 1000)
        self._socket.recv()

    def publish(self, body: bytes, sequence: int | bytes) -> None:
        if isinstance(sequence, int):
            sequence = sequence.to_bytes(4, "little")
        self._socket.send_multipart([b"hashblock", body, sequence])

    def next(self) -> tuple[str, int, str]:
        return self.told.get(timeout=LIMIT_S)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        self._socket.close()
        self._context.term()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    one = Publisher()
    yield one
    one.close()


def test_b6_a_hash_is_told_in_display_order(publisher: Publisher) -> None:
    publisher.publish(bytes.fromhex("00" * 4 + "ab" * 28), 7)
    assert publisher.next() == ("hash", 3, "00" * 4 + "ab" * 28)


def test_b6_a_gap_in_the_sequence_is_told(publisher: Publisher) -> None:
    publisher.publish(b"\x01" * 32, 7)
    publisher.publish(b"\x02" * 32, 8)
    publisher.publish(b"\x03" * 32, 10)
    assert [publisher.next()[0] for _ in range(4)] == ["hash", "hash", "gap", "hash"]


def test_b6_the_sequence_wraps_without_a_gap(publisher: Publisher) -> None:
    publisher.publish(b"\x01" * 32, 0xFFFF_FFFF)
    publisher.publish(b"\x02" * 32, 0)
    assert [publisher.next()[0] for _ in range(2)] == ["hash", "hash"]


@pytest.mark.parametrize(("body", "sequence"), [(b"short", b"\0" * 4), (b"\x01" * 32, b"\0")])
def test_a_message_unlike_cores_only_asks_for_a_poll(
    publisher: Publisher, body: bytes, sequence: bytes
) -> None:
    publisher.publish(body, sequence)
    assert publisher.next() == ("gap", 3, "")


def test_an_endpoint_that_is_none_names_the_setting() -> None:
    with pytest.raises(NodeAddressError, match="KENCH_NODE_ZMQ"):
        HashblockFeed({0: "nonsense"}, lambda *_: None, lambda *_: None, threading.Event())
