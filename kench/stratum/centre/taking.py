"""Blocks that other machines found, taken by each machine with nodes and sent to those.

Nothing is acknowledged to the cluster before a node has answered, or the block is on this
machine's disk and followed from there. To send a block twice is harmless.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NothingCameError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.looking import Looking
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterRefusedError
from kench.pool.rpc import Node
from kench.pool.submission import BlockSender, Outcome
from kench.stratum.bodies import body_path, whole_block
from kench.stratum.centre import bodies
from kench.stratum.centre.found import FoundStart, FoundUnreadableError, read_found
from kench.stratum.centre.outbox import STREAM, SUBJECT, open_stream

FETCH_S = 1.0
ASK_S = 2.0
AT_ONCE = 8
# A block that could not be kept is given again after this.
AGAIN_S = 5.0
KEPT_WAIT_S = 5.0

# Blocks that are known to be safe: more than are ever given again.
KEPT_MAX = 1024

log = structlog.get_logger("centre")


class BlockUnsafeError(KenchError):
    """A block of another machine is neither on our disk nor with a node of ours."""


class Taking(Looking):
    """The thread that takes blocks of the cluster; `on_accepted` when a node took one."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator
        self,
        cluster: Cluster,
        machine: str,
        nodes: Sequence[Node],
        blocks_directory: Path,
        bodies_directory: Path,
        clock: Clock,
        on_accepted: Callable[[], None],
    ) -> None:
        super().__init__("taking blocks")
        self._cluster = cluster
        self._durable = f"machine-{machine}"
        self._bodies = bodies_directory
        self._clock = clock
        self._on_accepted = on_accepted
        self._sender = BlockSender(
            nodes, blocks_directory, clock, self._outcome, on_kept=self._keep
        )
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._safe = threading.Condition()
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._counted: Counter[str] = Counter()

    def start(self) -> None:
        """Begin; blocks of an earlier run whose end is unknown go out again."""
        self._sender.start()
        super().start()

    def stop(self) -> None:
        """End; what was not acknowledged comes again."""
        super().stop()
        self._sender.stop()

    def state(self) -> dict[str, int]:
        """Return how many blocks were taken, and how many messages refused, since start."""
        return {"taken": self._counted["taken"], "refused": self._counted["refused"]}

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for message in self._fetch():
                    self._take(message)
            except (ClusterAwayError, ClusterRefusedError) as away:
                log.debug("no blocks of other machines are heard of", why=str(away))
                self._stop.wait(FETCH_S)
            except Exception:
                # A defect must not keep blocks from our nodes: it is said, and we go on.
                log.exception("fault where blocks of other machines are taken")
                self._stop.wait(FETCH_S)

    def _fetch(self) -> list[Msg]:
        if self._subscription is None:
            self._subscription = self._cluster.ask(self._subscribe(), ASK_S)
        return self._cluster.ask(self._next(self._subscription), FETCH_S + ASK_S)

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        await open_stream(self._cluster)
        return await self._cluster.jetstream.pull_subscribe(
            SUBJECT,
            durable=self._durable,
            stream=STREAM,
            config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=4 * KEPT_WAIT_S),
        )

    async def _next(self, subscription: JetStreamContext.PullSubscription) -> list[Msg]:
        try:
            found: list[Msg] = await subscription.fetch(AT_ONCE, timeout=FETCH_S)
        except NothingCameError:
            return []
        return found

    def _take(self, message: Msg) -> None:
        """Send one block; acknowledge it when it is safe, give it back where it is not."""
        try:
            start = read_found(message.data)
        except FoundUnreadableError as refused:
            self._counted["refused"] += 1
            log.error("a message about a found block is refused", why=str(refused))
            self._cluster.ask(message.term(), ASK_S)
            return
        try:
            self._send(start)
        except KenchError as fault:
            log.error("a block of another machine is not sent yet", hash=start.hash, why=str(fault))
            self._cluster.ask(message.nak(AGAIN_S), ASK_S)
            return
        self._counted["taken"] += 1
        self._cluster.ask(message.ack(), ASK_S)

    def _send(self, start: FoundStart) -> None:
        """Have a block on its way to the nodes and safe; raises KenchError where it is not."""
        if start.hash not in self._kept:
            block_hex = self._whole(start)
            self._sender.submit(start.hash, start.height, block_hex, start.note)
        with self._safe:
            if not self._safe.wait_for(lambda: start.hash in self._kept, KEPT_WAIT_S):
                raise BlockUnsafeError(f"block {start.hash} is on no disk and with no node")

    def _whole(self, start: FoundStart) -> bytes:
        """Return the block in hex, its body from this machine's folder or from the cluster."""
        begun = start.begun_hex.encode("ascii")
        if start.transactions and not body_path(self._bodies, start.body_key).exists():
            body = self._cluster.ask(bodies.fetch(self._cluster, start.body_key), 2 * ASK_S)
            if body is not None:
                return begun + body
        return whole_block(begun, self._bodies, start.facts, self._stop.wait, self._clock)

    def _keep(self, block_hash: str) -> None:
        """Know that a block cannot be lost any more."""
        with self._safe:
            self._kept[block_hash] = None
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
            self._safe.notify_all()

    def _outcome(self, block_hash: str, _node: str, outcome: Outcome) -> None:
        if outcome is not Outcome.UNREACHABLE:
            self._keep(block_hash)
        if outcome is Outcome.ACCEPTED:
            self._on_accepted()
