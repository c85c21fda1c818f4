"""New tips over ZMQ, as Core's -zmqpubhashblock sends them (B6)."""

import threading

import zmq

from kench.node.server import PortTakenError

TOPIC = b"hashblock"
HIGH_WATER_MARK = 1000
"""Messages kept for a slow subscriber; further ones are dropped, which the sequence shows."""


class TipPublisher:
    """A PUB socket; safe to call from several threads."""

    def __init__(self, host: str, port: int) -> None:
        """Bind; port 0 takes any free one. Raises PortTakenError."""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._lock = threading.Lock()
        self._sequence = 0
        try:
            self._socket.bind(f"tcp://{host}:{port or '*'}")
        except zmq.ZMQError as error:
            self.close()
            raise PortTakenError(
                f"cannot listen on {host}:{port} ({error.strerror}): choose another --zmq-port"
            ) from error
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def publish(self, block_hash: str) -> None:
        """Send the hash in display order, with a number that shows losses."""
        with self._lock:
            if self._socket.closed:
                return
            number = (self._sequence & 0xFFFF_FFFF).to_bytes(4, "little")
            self._sequence += 1
            self._socket.send_multipart([TOPIC, bytes.fromhex(block_hash), number])

    def close(self) -> None:
        """Unbind."""
        with self._lock:
            self._socket.close()
        self._context.term()
