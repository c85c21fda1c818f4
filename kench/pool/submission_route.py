"""The way of found blocks to one node: a bounded queue, tries, a verdict, preference."""

import queue
import threading

from kench.pool.rpc import Node, NodeError, NodeFaultError, NodeLine
from kench.pool.submission_journal import FoundBlock
from kench.pool.submission_outcome import Outcome, outcome_of_error, outcome_of_result

BLOCKS_WAITING_MAX = 256
SUBMIT_TIMEOUT_S = 60.0
PRECIOUS_TIMEOUT_S = 10.0
# The first try and five more (B15).
SEND_TRIES_MAX = 6
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
HELD_HEIGHTS_MAX = 64


class BlockRoute:
    """Sends blocks to one node over a connection of its own; for one thread."""

    def __init__(self, node: Node, stop: threading.Event) -> None:
        self.name = node.name
        self.line: NodeLine = node.line()
        self.blocks: queue.Queue[FoundBlock] = queue.Queue(BLOCKS_WAITING_MAX)
        self._stop = stop
        # Height -> our first block that the node took there.
        self._held: dict[int, str] = {}

    def send(self, block: FoundBlock) -> tuple[Outcome, str | None]:
        """Call submitblock until the node gives a verdict, at most SEND_TRIES_MAX times (B15)."""
        backoff_s = BACKOFF_FIRST_S
        reason = ""
        for _ in range(SEND_TRIES_MAX):
            try:
                result = self.line.call_with_hex(
                    "submitblock", block.block_hex, timeout_s=SUBMIT_TIMEOUT_S
                )
                return outcome_of_result(result)
            except NodeError as error:
                return outcome_of_error(error)
            except NodeFaultError as fault:
                reason = str(fault)
            if self._stop.wait(backoff_s):
                break
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
        return Outcome.UNREACHABLE, reason

    def prefer(self, block: FoundBlock) -> str:
        """Have the node prefer our block over another of the same work (B16).

        Not over one of ours: where two of our miners find one height, the first stays. Returns
        what came of it, for the block journal.
        """
        if self._held.setdefault(block.height, block.hash) != block.hash:
            return "another of ours is at this height"
        while len(self._held) > HELD_HEIGHTS_MAX:
            del self._held[next(iter(self._held))]
        try:
            self.line.call("preciousblock", block.hash, timeout_s=PRECIOUS_TIMEOUT_S)
        except NodeFaultError as fault:
            # Nothing is lost by it: the block is with the node, which may not know this call.
            return str(fault)
        return "preferred"
