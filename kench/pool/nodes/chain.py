"""Questions about the chain by block hash, asked of the node whose chain has the most work."""

import threading
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from kench.pool.clock import Clock, SystemClock
from kench.pool.errors import KenchError
from kench.pool.nodes.claim import NetworkClaim
from kench.pool.nodes.facts import (
    NodeView,
    NoUsableNodeError,
    Tip,
    tip_of_chain_info,
    tip_of_header,
    why_none_usable,
    why_unusable,
)
from kench.pool.rpc import (
    RPC_INVALID_ADDRESS_OR_KEY,
    Node,
    NodeError,
    NodeFaultError,
    NodeGarbledError,
    NodeTimeoutError,
)
from kench.pool.wire_settings import NETWORKS

CALL_TIMEOUT_S = 5.0
# Which node is best is settled anew this often; a node that failed is left alone for a while,
# for longer if it hung, because each question to it then costs a whole time-out.
RANK_S = 1.0
FAULT_PAUSE_S = 1.0
HANG_PAUSE_S = 15.0
# A reorganisation between two questions makes them disagree; they are asked again so often.
CONSISTENT_TRIES_MAX = 5
OFF_CHAIN = -1

log = structlog.get_logger("kench.nodes")


class ChainMovedError(KenchError):
    """The chain changed between questions again and again; ask later."""


@dataclass(frozen=True, slots=True)
class HeaderView:
    """Where a block stands.

    `confirmations` is 1 for the tip itself and more for deeper ones, -1 for a block off the best
    chain, None for one that no node knows; `height` is None then. `tip` is the best chain's end.
    """

    confirmations: int | None
    height: int | None
    tip: Tip


class ChainView:
    """The best chain as the usable nodes know it; for threads that may wait.

    `network` None means the one that the first node names, of those `to_take`.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        clock: Clock | None = None,
        network: str | None = None,
        to_take: Container[str] = NETWORKS,
    ) -> None:
        self._nodes = list(nodes)
        self._clock = clock or SystemClock()
        self._network = NetworkClaim(network, to_take)
        self._lock = threading.Lock()
        self._ranked: list[tuple[Node, Tip]] = []
        self._ranked_until_s = float("-inf")
        self._avoided: dict[str, tuple[float, str]] = {}

    def tip(self) -> Tip:
        """Return the end of the best chain; raises NoUsableNodeError."""
        return self._rank()[0][1]

    def header(self, block_hash: str) -> HeaderView:
        """Return where a block stands (B17).

        Raises NoUsableNodeError, ChainMovedError, or NodeError where a node objects to the hash.
        A node that fails is left out and the next is asked.
        """
        for _ in self._nodes:
            ranked = self._rank()
            try:
                return self._header(ranked, block_hash)
            except NodeError:
                raise
            except NodeFaultError as fault:
                log.warning("node left out", why=str(fault))
        raise NoUsableNodeError("no node answered: see KENCH_NODE_URLS")

    def _header(self, ranked: list[tuple[Node, Tip]], block_hash: str) -> HeaderView:
        for node, _ in ranked:
            found = self._place(node, block_hash)
            if found is not None:
                return self._seen_from(ranked[0], node, found)
        return HeaderView(None, None, ranked[0][1])

    def _seen_from(
        self, best: tuple[Node, Tip], asked: Node, found: tuple[int, int, Tip]
    ) -> HeaderView:
        confirmations, height, tip = found
        if asked is best[0] or tip.chainwork >= best[1].chainwork:
            return HeaderView(confirmations, height, tip)
        # Only a node with less work knows it: it is not on the best chain.
        return HeaderView(OFF_CHAIN, height, best[1])

    def _place(self, node: Node, block_hash: str) -> tuple[int, int, Tip] | None:
        """Return confirmations, height and tip by one node, in which all agree; None if unknown."""
        for _ in range(CONSISTENT_TRIES_MAX):
            before = self._call(node, "getbestblockhash")
            try:
                header = self._call(node, "getblockheader", block_hash)
            except NodeError as error:
                if error.code == RPC_INVALID_ADDRESS_OR_KEY:
                    return None
                raise
            height = tip_of_header(node.name, header).height
            confirmations = header.get("confirmations")
            if not isinstance(confirmations, int):
                raise NodeGarbledError(f"node {node.name} answers unlike Bitcoin Core: {header!r}")
            tip = tip_of_header(node.name, self._call(node, "getblockheader", before))
            on_chain = tip.height >= height and (
                self._call(node, "getblockhash", height) == block_hash
            )
            same_chain = self._call(node, "getbestblockhash") == before
            if same_chain and on_chain == (confirmations >= 1):
                return (confirmations if on_chain else OFF_CHAIN), height, tip
        raise ChainMovedError(f"node {node.name} changes its chain faster than it can be asked")

    def _call(self, node: Node, method: str, *params: Any) -> Any:
        try:
            return node.call(method, *params, timeout_s=CALL_TIMEOUT_S)
        except NodeError:
            raise
        except NodeFaultError as fault:
            pause_s = HANG_PAUSE_S if isinstance(fault, NodeTimeoutError) else FAULT_PAUSE_S
            # Single assignments: a reader without the lock sees the old value or the new.
            self._avoided[node.name] = (self._clock.monotonic() + pause_s, str(fault))
            self._ranked_until_s = float("-inf")
            raise

    def _rank(self) -> list[tuple[Node, Tip]]:
        """Return the usable nodes, most work first; raises NoUsableNodeError."""
        with self._lock:
            now_s = self._clock.monotonic()
            if now_s < self._ranked_until_s and self._ranked:
                return self._ranked
            views = [(node, self._look(node, now_s)) for node in self._nodes]
            usable = [(node, view.tip) for node, view in views if view.usable and view.tip]
            if not usable:
                why = why_none_usable([view for _, view in views])
                raise NoUsableNodeError(f"no node can be used: {why}")
            self._ranked = sorted(usable, key=lambda entry: -entry[1].chainwork)
            self._ranked_until_s = now_s + RANK_S
            return self._ranked

    def _look(self, node: Node, now_s: float) -> NodeView:
        avoided_until_s, why_avoided = self._avoided.get(node.name, (float("-inf"), ""))
        if now_s < avoided_until_s:
            return NodeView(node.name, None, why_avoided)
        try:
            info = self._call(node, "getblockchaininfo")
            tip = tip_of_chain_info(node.name, info)
            # Peers do not matter here: what is buried stays buried.
            why = why_unusable(info, 1, self._network.hear(str(info.get("chain"))))
        except NodeFaultError as fault:
            return NodeView(node.name, None, str(fault))
        return NodeView(node.name, tip, why)
