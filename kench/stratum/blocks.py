"""Found blocks of this front: assembled from job, share and body, and sent to every node (B15)."""

import threading
from binascii import hexlify
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import structlog

from kench.pool.bitcoin import hash_hex
from kench.pool.clock import Clock
from kench.pool.rpc import Node
from kench.pool.submission import BlockSender, Outcome
from kench.stratum.bodies import whole_block
from kench.stratum.centre.found import FoundStart
from kench.stratum.centre.outbox import put
from kench.stratum.front import Found

# Threads that assemble found blocks; a block never waits behind anything but blocks.
BLOCK_THREADS = 2

log = structlog.get_logger("stratum")


class FoundBlocks:
    """The shortest way of a block: this process itself sends it, to all nodes at once."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator
        self,
        nodes: Sequence[Node],
        blocks_directory: Path,
        bodies_directory: Path,
        clock: Clock,
        on_accepted: Callable[[], None],
        on_told: Callable[[bytes | None], None] | None = None,
    ) -> None:
        """Leave word of each block for the centre where there is `on_told`.

        It is called with what the disk refused, or None where the file is there.
        """
        self._bodies_directory = bodies_directory
        self._clock = clock
        self._on_accepted = on_accepted
        self._stop = threading.Event()
        self._directory = blocks_directory
        self._on_told = on_told
        # Without nodes the centre's send it.
        self._sender = (
            BlockSender(nodes, blocks_directory, clock, self._outcome)
            if nodes or on_told is None
            else None
        )
        blocks_directory.mkdir(parents=True, exist_ok=True)
        self._telling = ThreadPoolExecutor(1, "block-told")
        self._assembly = ThreadPoolExecutor(BLOCK_THREADS, "found-block")

    def start(self) -> None:
        """Start; blocks of an earlier run whose end is unknown go out again."""
        if self._sender is not None:
            self._sender.start()

    def stop(self) -> None:
        """Stop all threads; found blocks are on disk."""
        self._stop.set()
        self._telling.shutdown()
        self._assembly.shutdown()
        if self._sender is not None:
            self._sender.stop()

    def send(self, found: Found) -> None:
        """Assemble a found block in a thread and send it; returns at once."""
        if self._sender is not None:
            send = self._assembly.submit(self._send, found, self._sender)
            send.add_done_callback(_log_fault)
        if self._on_told is not None:
            told = self._telling.submit(self._tell, found, self._on_told)
            told.add_done_callback(_log_fault)

    def _tell(self, found: Found, on_told: Callable[[bytes | None], None]) -> None:
        """Leave word for the centre, whose nodes get the block too."""
        start = FoundStart.of(found, self._clock.now_us())
        try:
            put(self._directory, start)
        except OSError as error:
            log.critical("found block is not on disk", hash=start.hash, why=error.strerror)
            on_told(start.encode())
        else:
            on_told(None)

    def _send(self, found: Found, sender: BlockSender) -> None:
        job = found.job
        begun = job.block_start(found.header, found.extranonce1, found.extranonce2)
        block_hex = whole_block(
            hexlify(begun), self._bodies_directory, job.facts, self._stop.wait, self._clock
        )
        note: dict[str, str | int] = {
            "participant": found.participant,
            "worker": found.worker,
            "job": f"{job.key:x}",
        }
        block_hash = hash_hex(found.block_hash_le)
        sender.submit(block_hash, job.archived.height, block_hex, note)

    def _outcome(self, _block_hash: str, _node: str, outcome: Outcome) -> None:
        if outcome is Outcome.ACCEPTED:
            self._on_accepted()


def _log_fault(future: Future[None]) -> None:
    error = future.exception()
    if error is not None:
        log.critical("block not sent", error=repr(error))
