"""Found blocks on their way: into a file, to every node at once, synced, followed to their end.

submit -> waiting (BLOCKS_WAITING_MAX) -> journal thread -> a queue for each node -> submitblock
                                               watch thread: confirmed, lost, or sent again

The nodes need not wait for the disk: a block that the kernel has outlives our process, and where
the machine loses power before the sync, a block that is in a node's socket is no worse off than
one that is on a dark machine's disk. Nor does a disk that hangs keep a block from them for long.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.nodes.chain import ChainMovedError, ChainView, HeaderView
from kench.pool.nodes.facts import NoUsableNodeError
from kench.pool.rpc import Node, NodeFaultError
from kench.pool.submission_journal import BlockJournal, BlockJournalError, FoundBlock
from kench.pool.submission_outcome import Outcome
from kench.pool.submission_route import BLOCKS_WAITING_MAX, BlockRoute

BLOCKS_OPEN_MAX = 1024
WATCH_S = 1.0
CHECKS_PER_ROUND_MAX = 64
# A block that no node has taken is sent again after this, doubled each time.
RESEND_FIRST_S = 5.0
RESEND_MAX_S = 60.0
# A block that the disk has not taken in this time goes out all the same.
DISK_PATIENCE_S = 1.0
# Another branch this much longer than ours: the block will not come back.
LOST_DEPTH = 100
STOP_CHECK_S = 0.2
STOP_GRACE_S = 1.0
STOP_TIMEOUT_S = 3.0

__all__ = ["BlockQueueFullError", "BlockSender", "Outcome"]

log = structlog.get_logger("kench.blocks")


class BlockQueueFullError(KenchError):
    """More blocks are waiting for disk and nodes than BLOCKS_WAITING_MAX."""


@dataclass(slots=True)
class _Open:
    """A block whose end is not known: what each node said, who still owes an answer."""

    block: FoundBlock
    verdicts: dict[str, Outcome] = field(default_factory=dict)
    owing: set[str] = field(default_factory=set)
    checked_at_tip: str = ""
    resend_at_s: float = 0.0
    resend_after_s: float = field(default_factory=lambda: RESEND_FIRST_S)

    def refused_by_all(self, nodes: int) -> bool:
        return len(self.verdicts) == nodes and all(v.is_refused for v in self.verdicts.values())


class BlockSender:
    """Sends found blocks to all `nodes`, with the block journal in `directory`.

    `on_outcome(block_hash, node, outcome)` is called from the sender's threads, one call at a
    time; `node` is "" for CONFIRMED and LOST. `on_kept(block_hash)`, from a thread of it too, tells
    that a block outlives a power cut. Raises BlockJournalError when the folder is unusable.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator
        self,
        nodes: Sequence[Node],
        directory: Path,
        clock: Clock,
        on_outcome: Callable[[str, str, Outcome], None],
        network: str | None = None,
        on_kept: Callable[[str], None] | None = None,
    ) -> None:
        self._stop = threading.Event()
        self._clock = clock
        self._on_outcome = on_outcome
        self._on_kept = on_kept
        self._journal = BlockJournal(directory)
        self._chain = ChainView(nodes, clock, network)
        self._routes = [BlockRoute(node, self._stop) for node in nodes]
        self._waiting: queue.Queue[FoundBlock] = queue.Queue(BLOCKS_WAITING_MAX)
        self._open: dict[str, _Open] = {}
        self._lock = threading.Lock()
        self._recording = threading.Lock()
        self._watch_wake = threading.Event()
        self._blind = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads and send again every block whose end is not known."""
        self._start("journal", self._run_journal)
        for route in self._routes:
            self._start(f"to-{route.name}", partial(self._run_sending, route))
        self._start("watch", self._run_watch)
        for block in self._journal.unsettled(BLOCKS_WAITING_MAX):
            log.warning("block is sent again", hash=block.hash, height=block.height)
            self._tell_kept(block)
            self._follow(block)
            self._fan_out(block)

    def stop(self) -> None:
        """Let calls in flight end, cut them after STOP_GRACE_S; what waits is on disk."""
        self._stop.set()
        self._watch_wake.set()
        deadline_s = self._clock.monotonic() + STOP_TIMEOUT_S
        for thread in self._threads:
            thread.join(STOP_GRACE_S / len(self._threads))
        for route in self._routes:
            route.line.cut()
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - self._clock.monotonic()))

    def submit(
        self,
        block_hash: str,
        height: int,
        block_hex: bytes,
        note: Mapping[str, str | int] | None = None,
    ) -> None:
        """Take a found block; returns at once, from any thread, the event loop's too.

        `note` is kept beside the block (worker, job key). A block already followed is taken once.
        Raises BlockQueueFullError.
        """
        block = FoundBlock(block_hash, height, block_hex, self._clock.now_us(), note or {})
        if not self._follow(block):
            return
        try:
            self._waiting.put_nowait(block)
        except queue.Full as full:
            with self._lock:
                self._open.pop(block_hash, None)
            raise BlockQueueFullError(
                f"block {block_hash} was not sent: {BLOCKS_WAITING_MAX} others wait for the disk"
                " under KENCH_DATA"
            ) from full

    def waiting(self) -> int:
        """Return how many blocks wait for the disk."""
        return self._waiting.qsize()

    def following(self) -> int:
        """Return how many blocks are followed to their end."""
        return len(self._open)

    def _start(self, name: str, body: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=self._guard, args=(body,), name=f"kench-blocks-{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _guard(self, body: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                body()
            except Exception:
                # A defect of ours must not end the sending of blocks: it is logged, and we go on.
                log.exception("fault in a block thread", thread=threading.current_thread().name)

    def _follow(self, block: FoundBlock) -> bool:
        """Begin to follow a block; False where it is followed already."""
        with self._lock:
            if block.hash in self._open:
                return False
            if len(self._open) >= BLOCKS_OPEN_MAX:
                oldest = next(iter(self._open))
                del self._open[oldest]
                log.error("too many blocks to follow; left until the next start", hash=oldest)
            wait_until_s = self._clock.monotonic() + DISK_PATIENCE_S
            self._open[block.hash] = _Open(block, resend_at_s=wait_until_s)
            return True

    def _run_journal(self) -> None:
        while not self._stop.is_set():
            try:
                block = self._waiting.get(timeout=STOP_CHECK_S)
            except queue.Empty:
                continue
            # A block is worth more than its copy: it goes out whatever the disk says.
            written = self._kept(block, self._journal.write)
            self._fan_out(block)
            if written and self._kept(block, self._journal.sync):
                self._tell_kept(block)

    def _tell_kept(self, block: FoundBlock) -> None:
        if self._on_kept is not None:
            self._on_kept(block.hash)

    def _kept(self, block: FoundBlock, keep: Callable[[FoundBlock], None]) -> bool:
        try:
            keep(block)
        except BlockJournalError as fault:
            log.critical("found block is not on disk", hash=block.hash, why=str(fault))
            return False
        return True

    def _fan_out(self, block: FoundBlock) -> None:
        """Queue a block for every node that has given no verdict and is not asked for one."""
        with self._lock:
            followed = self._open.get(block.hash)
            if followed is None:
                return
            followed.resend_at_s = self._clock.monotonic() + followed.resend_after_s
            followed.resend_after_s = min(2 * followed.resend_after_s, RESEND_MAX_S)
            silent = [
                route
                for route in self._routes
                if route.name not in followed.owing
                and not _is_verdict(followed.verdicts.get(route.name))
            ]
            full = []
            for route in silent:
                try:
                    route.blocks.put_nowait(block)
                    followed.owing.add(route.name)
                except queue.Full:
                    full.append(route.name)
        for name in full:
            self._record(block, name, Outcome.NOT_QUEUED, "too many blocks wait for this node")

    def _run_sending(self, to: BlockRoute) -> None:
        try:
            while not self._stop.is_set():
                try:
                    block = to.blocks.get(timeout=STOP_CHECK_S)
                except queue.Empty:
                    continue
                outcome, reason = to.send(block)
                if outcome is Outcome.UNREACHABLE and self._stop.is_set():
                    return
                precious = to.prefer(block) if outcome.is_taken else None
                self._record(block, to.name, outcome, reason, precious)
                self._watch_wake.set()
        finally:
            to.line.close()

    def _record(
        self,
        block: FoundBlock,
        node: str,
        outcome: Outcome,
        reason: str | None,
        precious: str | None = None,
    ) -> None:
        """Keep an outcome on disk, in memory and in the log, and tell the owner."""
        with self._lock:
            followed = self._open.get(block.hash)
            if followed is not None and node:
                followed.verdicts[node] = outcome
                followed.owing.discard(node)
        line: dict[str, str | int | None] = {
            "time_us": self._clock.now_us(),
            "node": node,
            "outcome": outcome.value,
            "reason": reason,
            "precious": precious,
        }
        tell = log.error if outcome.is_alarm else log.info
        tell("block", hash=block.hash, height=block.height, **line)
        with self._recording:
            try:
                self._journal.append(block, line)
                if outcome.is_end:
                    self._journal.settle(block)
            except BlockJournalError as fault:
                log.critical("block outcome is not on disk", hash=block.hash, why=str(fault))
            self._on_outcome(block.hash, node, outcome)

    def _run_watch(self) -> None:
        while not self._stop.is_set():
            self._watch_wake.wait(WATCH_S)
            self._watch_wake.clear()
            with self._lock:
                now_s = self._clock.monotonic()
                opened = [
                    entry
                    for entry in self._open.values()
                    if entry.verdicts or (not entry.owing and now_s >= entry.resend_at_s)
                ]
            if opened:
                self._watch(opened)

    def _watch(self, opened: Sequence[_Open]) -> None:
        """Look where the open blocks stand; those whose tip has not moved need no new look."""
        checks = 0
        for entry in opened:
            try:
                tip_hash = self._chain.tip().hash
                if entry.checked_at_tip != tip_hash and checks < CHECKS_PER_ROUND_MAX:
                    checks += 1
                    view = self._chain.header(entry.block.hash)
                    entry.checked_at_tip = tip_hash
                    self._blind = False
                    self._judge(entry, view)
            except NoUsableNodeError as fault:
                if not self._blind:
                    log.warning("blocks cannot be followed now", why=str(fault))
                self._blind = True
                break
            except (ChainMovedError, NodeFaultError) as fault:
                log.warning("block cannot be followed now", hash=entry.block.hash, why=str(fault))
        for entry in opened:
            silent = [r for r in self._routes if not _is_verdict(entry.verdicts.get(r.name))]
            if silent and not entry.owing and self._clock.monotonic() >= entry.resend_at_s:
                self._fan_out(entry.block)

    def _judge(self, entry: _Open, view: HeaderView) -> None:
        block = entry.block
        if view.confirmations is not None and view.confirmations >= 1:
            self._end(block, Outcome.CONFIRMED, None)
        elif view.tip.height - block.height >= LOST_DEPTH:
            self._end(block, Outcome.LOST, f"the chain grew {LOST_DEPTH} blocks without it")
        elif entry.refused_by_all(len(self._routes)):
            self._end(block, Outcome.LOST, "every node refused it")

    def _end(self, block: FoundBlock, outcome: Outcome, reason: str | None) -> None:
        with self._lock:
            self._open.pop(block.hash, None)
        self._record(block, "", outcome, reason)


def _is_verdict(outcome: Outcome | None) -> bool:
    """Whether a node need not be sent the block again."""
    return outcome is not None and outcome not in {
        Outcome.UNREACHABLE,
        Outcome.NOT_QUEUED,
    }
