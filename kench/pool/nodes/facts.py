"""What is known of a node at one moment, and the pure judgements made from it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypedDict

from kench.pool.errors import KenchError
from kench.pool.rpc import NodeGarbledError
from kench.pool.template import Template

MAIN_NETWORK = "main"
REGTEST_NETWORK = "regtest"
# A node this many blocks behind headers it has itself checked is catching up. One or two may lack
# only their bodies, and a header alone costs whoever makes it a block's work.
HEADERS_AHEAD_MAX = 3


class NoUsableNodeError(KenchError):
    """No node can be used now; the message says for each why."""


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of a node's best chain: display hash, height, total work of the chain in hashes."""

    hash: str
    height: int
    chainwork: int


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node as last seen; `why` says what keeps it from being used, None if nothing does."""

    name: str
    tip: Tip | None = None
    why: str | None = "has not answered yet"

    @property
    def usable(self) -> bool:
        """Whether templates may be taken from it."""
        return self.why is None and self.tip is not None


@dataclass(frozen=True, slots=True)
class ReceivedTemplate:
    """A checked template: who gave it, on which tip, when it was asked for and received.

    `asked_s` and `received_s` are the clock's monotonic seconds.
    """

    template: Template
    tip: Tip
    node: str
    asked_s: float
    received_s: float


class NodeStatus(TypedDict):
    """One node's line of the status object."""

    name: str
    usable: bool
    why: str | None
    height: int | None
    tip: str | None


def status_of(view: NodeView) -> NodeStatus:
    """Return the view as the status object shows it."""
    return {
        "name": view.name,
        "usable": view.usable,
        "why": view.why,
        "height": view.tip.height if view.tip else None,
        "tip": view.tip.hash if view.tip else None,
    }


def tip_of_chain_info(name: str, info: Any) -> Tip:
    """Read the tip out of getblockchaininfo; raises NodeGarbledError."""
    return _tip(name, info, "bestblockhash", "blocks")


def tip_of_header(name: str, header: Any) -> Tip:
    """Read a block's place out of a verbose getblockheader; raises NodeGarbledError."""
    return _tip(name, header, "hash", "height")


def _tip(name: str, answer: Any, hash_key: str, height_key: str) -> Tip:
    try:
        block_hash, height = answer[hash_key], answer[height_key]
        chainwork = int(answer["chainwork"], 16)
        well_formed = len(bytes.fromhex(block_hash)) == 32 and isinstance(height, int)
    except (KeyError, TypeError, ValueError) as error:
        raise NodeGarbledError(f"node {name} answers unlike Bitcoin Core: {error!r}") from error
    if not well_formed:
        raise NodeGarbledError(f"node {name} answers unlike Bitcoin Core: no block hash or height")
    return Tip(block_hash, height, chainwork)


def why_unusable(info: Mapping[str, Any], connections: int, network: str) -> str | None:
    """Judge getblockchaininfo and the number of peers (B18); None means usable.

    Core itself asks for peers and a finished initial download only on the main network. Regtest
    says `initialblockdownload` until a fresh block is mined, and a test network may start at its
    genesis block: there a node counts as synced when it knows of no block that it lacks.
    """
    chain = info.get("chain")
    if chain != network:
        return f"is on network {chain}, not {network}"
    if chain == REGTEST_NETWORK:
        return None
    ahead = int(info.get("headers", 0)) - int(info.get("blocks", 0))
    if ahead >= HEADERS_AHEAD_MAX:
        return f"is catching up: {ahead} blocks behind its own headers"
    if info.get("initialblockdownload") and (chain == MAIN_NETWORK or ahead > 0):
        return "is in initial block download"
    if chain == MAIN_NETWORK and connections == 0:
        return "has no peers"
    return None


def candidates_of(
    views: Sequence[NodeView], slow: AbstractSet[str], current_tip: str | None
) -> list[NodeView]:
    """Return the nodes whose template may be used now, the best to ask first.

    They are usable and no usable node has a chain of more work (B18). Of two tips of equal work
    the one we already work on stays (the first seen wins, as in Core). Slow nodes come last;
    otherwise the order of the settings decides, so a preferred node that is back is used again.
    """
    usable = [(view, view.tip) for view in views if view.usable and view.tip is not None]
    most_work = max((tip.chainwork for _, tip in usable), default=0)
    best = [(view, tip) for view, tip in usable if tip.chainwork == most_work]
    if any(tip.hash == current_tip for _, tip in best):
        best = [(view, tip) for view, tip in best if tip.hash == current_tip]
    return sorted((view for view, _ in best), key=lambda view: view.name in slow)


def why_none_usable(views: Sequence[NodeView]) -> str:
    """Say in one line why no node can be used."""
    return "; ".join(f"node {view.name} {_predicate(view)}" for view in views)


def _predicate(view: NodeView) -> str:
    why = view.why or "has no tip"
    return why.removeprefix(f"node {view.name} ")
