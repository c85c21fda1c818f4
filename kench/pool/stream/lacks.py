"""What an archive lacks of a journal, and the stream too: whoever has the files sends it again.

A cluster can lose a message that a quorum of it acknowledged (seen with servers before 2.10, when a
line between two of them is cut). The front's own disk has all of it. So an archive says where it
stands, again and again while it lacks, and whoever has the files publishes them from there.
"""

import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

import structlog
from nats.aio.msg import Msg

from kench.pool.clock import Clock
from kench.pool.nats.cluster import Cluster
from kench.pool.stream.message import StreamMessageError

SUBJECT = "kench.lacks.{}"
ASK_S = 5.0
AGAIN_S = 10.0
"""A journal is published again no more often, whatever is said."""
_FIELDS = struct.Struct("<QQQ")

log = structlog.get_logger("stream")


class Lack(NamedTuple):
    """Where an archive stands in a journal; all zeros where it has nothing of it."""

    first: int
    jobs: int
    shares: int


def read_lack(content: bytes) -> Lack:
    """Return what an archive said; raises StreamMessageError."""
    if len(content) != _FIELDS.size:
        raise StreamMessageError("an archive says what it lacks in words that are not understood")
    return Lack._make(_FIELDS.unpack(content))


def tell(cluster: Cluster, number: int, lack: Lack) -> None:
    """Say it once, to whoever hears; raises ClusterAwayError."""
    said = cluster.client.publish(SUBJECT.format(number), _FIELDS.pack(*lack))
    cluster.ask(said, ASK_S)


def _nobody() -> None:
    """Tell nobody: who asks each few seconds need not be woken."""


class Lacks:
    """What archives said, by journal; of several the one who has least. For any thread."""

    def __init__(
        self, cluster: Cluster, clock: Clock, heard: Callable[[], object] = _nobody
    ) -> None:
        """`heard` is called in the line's thread."""
        self._cluster, self._clock, self._heard = cluster, clock, heard
        self._lock = threading.Lock()
        self._said: dict[int, Lack] = {}
        self._taken_s: dict[int, float] = {}
        self._numbers: frozenset[int] = frozenset()
        self._is_listening = False

    def listen(self, *numbers: int) -> None:
        """Hear of these journals and no others from now on; raises ClusterAwayError."""
        self._numbers = frozenset(numbers)
        if not self._is_listening:
            self._cluster.ask(self._subscribe(), ASK_S)
            self._is_listening = True

    async def _subscribe(self) -> None:
        await self._cluster.client.subscribe(SUBJECT.format("*"), cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        word = message.subject.rpartition(".")[2]
        try:
            number, lack = int(word), read_lack(message.data)
        except (ValueError, StreamMessageError) as fault:
            log.warning("what an archive says is not understood", why=str(fault))
            return
        if number not in self._numbers:
            return
        with self._lock:
            self._said[number] = min(lack, self._said.get(number, lack))
        self._heard()

    def of(self, number: int) -> Lack | None:
        """Return what is said of a journal, where it is time to publish it again."""
        with self._lock:
            return self._due(number)

    def take(self, number: int) -> Lack | None:
        """Return the same, and forget it: it is about to be published."""
        with self._lock:
            lack = self._due(number)
            if lack is not None:
                del self._said[number]
                self._taken_s[number] = self._clock.monotonic()
            return lack

    def _due(self, number: int) -> Lack | None:
        """Return what is said of a journal; what came too early is forgotten, it is said again."""
        if self._clock.monotonic() - self._taken_s.get(number, float("-inf")) < AGAIN_S:
            self._said.pop(number, None)
        return self._said.get(number)
