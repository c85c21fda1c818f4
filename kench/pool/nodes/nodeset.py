"""Several nodes as one source of block templates: newest tip first, failover, status.

Threads: for each node polling, templates and long-poll; one for ZMQ; one that decides. What they
tell meets here. A template is asked for when (in this order) nothing was handed out yet, the tip
handed out is not the best usable one, its node can no longer be used, or it has grown old; another
node is asked as well when the first does not answer within HEDGE_S.
"""

import threading
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

import structlog

from kench.pool.clock import Clock
from kench.pool.nodes.claim import NetworkClaim
from kench.pool.nodes.facts import (
    NodeStatus,
    NodeView,
    NoUsableNodeError,
    ReceivedTemplate,
    candidates_of,
    status_of,
    why_none_usable,
)
from kench.pool.nodes.hashblock import HashblockFeed
from kench.pool.nodes.longpoll import run_longpoll
from kench.pool.nodes.watch import ANY_TIP, FAULT_PAUSE_S, NodeWatch
from kench.pool.rpc import Node, NodeAddressError
from kench.pool.wire_settings import NETWORKS

# A node that owes an answer for longer is asked no more if another can be, and the other is asked
# as well: well under the second in which a failover must be done.
HEDGE_S = 0.4
TICK_S = 0.1
# A wish that no node fulfilled is made anew, from the best node on.
WISH_LIFETIME_S = 25.0
# ZMQ and long-poll tell of one tip within milliseconds; the second template holds nothing new (B5).
REPEAT_MIN_S = 1.0
STOP_TIMEOUT_S = 3.0
PROPOSAL_TIMEOUT_S = 30.0
HINTS_REMEMBERED_MAX = 64

log = structlog.get_logger("kench.nodes")


@dataclass(slots=True)
class _Wish:
    """A template that is wanted: on one of these tips, since when, and who was asked."""

    goal: frozenset[str]
    made_s: float
    asked_s: float
    asked: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _HandedOut:
    node: str
    tip_hash: str
    received_s: float
    refresh_at_s: float


class NodeSet:
    """Watches `nodes` (a list in order of preference) and hands out templates.

    `zmq_endpoints` go with the nodes by place; "" or a shorter list where a node publishes none.
    `on_template(received)` and `on_status(usable, why)` are called from threads of the set, each
    one call at a time; they must not block. `network` None means the one the first node names, of
    those `to_take`.
    """

    def __init__(  # noqa: PLR0913 - a composition point: each is one collaborator or bound
        self,
        nodes: Sequence[Node],
        zmq_endpoints: Sequence[str],
        clock: Clock,
        on_template: Callable[[ReceivedTemplate], None],
        on_status: Callable[[bool, str | None], None],
        *,
        network: str | None = None,
        to_take: Container[str] = NETWORKS,
        poll_s: float = 1.0,
        refresh_s: float = 25.0,
    ) -> None:
        if not nodes:
            raise NodeAddressError("no node is configured: name one in KENCH_NODE_URLS")
        if len({node.name for node in nodes}) != len(nodes):
            raise NodeAddressError("KENCH_NODE_URLS names the same node twice")
        if len(zmq_endpoints) > len(nodes):
            raise NodeAddressError("KENCH_NODE_ZMQ has more entries than KENCH_NODE_URLS")
        self._clock = clock
        self._on_template = on_template
        self._on_status = on_status
        self._network = NetworkClaim(network, to_take)
        self._refresh_s = refresh_s
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._delivery = threading.Lock()
        self._handed_out: _HandedOut | None = None
        self._wish: _Wish | None = None
        self._refresh_asked = False
        self._hints: deque[str] = deque(maxlen=HINTS_REMEMBERED_MAX)
        self._told: tuple[bool, str | None] | None = None
        self._threads: list[threading.Thread] = []
        self._endpoints = {i: endpoint for i, endpoint in enumerate(zmq_endpoints) if endpoint}
        self._watches = [
            NodeWatch(
                node,
                clock,
                self._stop,
                poll_s,
                self._network.hear,
                self._is_repeated,
                self._changed,
                self._offer,
            )
            for node in nodes
        ]

    @property
    def network(self) -> str | None:
        """The network the nodes are on, as getblockchaininfo names it; None until one has said."""
        return self._network.name

    def start(self) -> None:
        """Start all threads; raises NodeAddressError for a bad ZMQ endpoint."""
        if self._endpoints:
            feed = HashblockFeed(self._endpoints, self._hint, self._gap, self._stop)
            self._start("zmq", feed.run)
        for watch in self._watches:
            self._start(f"{watch.name}-poll", watch.run_polling)
            self._start(f"{watch.name}-template", watch.run_fetching)
            self._start(f"{watch.name}-longpoll", run_longpoll, watch)
        self._start("decide", self._run_deciding)

    def stop(self) -> None:
        """Cut every call short and join all threads, within STOP_TIMEOUT_S."""
        self._stop.set()
        self._wake.set()
        for watch in self._watches:
            watch.stop()
        deadline_s = self._clock.monotonic() + STOP_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - self._clock.monotonic()))
            if thread.is_alive():
                log.error("thread still runs", thread=thread.name)
        if not any(thread.is_alive() for thread in self._threads):
            for watch in self._watches:
                watch.close()

    def refresh_now(self) -> None:
        """Have every tip asked for at once, and a template fetched: one of our blocks was sent.

        A template that is younger than REPEAT_MIN_S is left as it is, unless a tip has moved.
        """
        with self._lock:
            out = self._handed_out
            now_s = self._clock.monotonic()
            self._refresh_asked = out is None or now_s - out.received_s >= REPEAT_MIN_S
        for watch in self._watches:
            watch.poke()
        self._wake.set()

    def status(self) -> list[NodeStatus]:
        """Return one line for each node, in order of preference."""
        return [status_of(watch.view) for watch in self._watches]

    def propose(self, block_hex: str) -> str | None:
        """Ask the best node whether a block without proof of work would be valid (B20).

        Returns None if so, else Core's reason. Blocks the caller. Raises NoUsableNodeError or a
        NodeFaultError.
        """
        with self._lock:
            candidates = self._candidates()
        if not candidates:
            raise NoUsableNodeError(f"no node can be used: {why_none_usable(self._views())}")
        watch = self._watch_of(candidates[0])
        request = watch.template_request(mode="proposal", data=block_hex)
        answer = watch.node.call("getblocktemplate", request, timeout_s=PROPOSAL_TIMEOUT_S)
        return None if answer is None else str(answer)

    def _start(self, name: str, body: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(
            target=self._guard, args=(body, *arguments), name=f"kench-node-{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _guard(self, body: Callable[..., None], *arguments: object) -> None:
        while not self._stop.is_set():
            try:
                body(*arguments)
            except Exception:
                # A defect of ours must not silence a node for ever: it is logged, and we go on.
                log.exception("fault in a node thread", thread=threading.current_thread().name)
                self._stop.wait(FAULT_PAUSE_S)

    def _views(self) -> list[NodeView]:
        return [watch.view for watch in self._watches]

    def _watch_of(self, view: NodeView) -> NodeWatch:
        return next(watch for watch in self._watches if watch.name == view.name)

    def _slow(self) -> set[str]:
        now_s = self._clock.monotonic()
        return {watch.name for watch in self._watches if watch.is_slow(now_s, HEDGE_S)}

    def _candidates(self) -> list[NodeView]:
        current = self._handed_out.tip_hash if self._handed_out else None
        return candidates_of(self._views(), self._slow(), current)

    def _changed(self, watch: NodeWatch) -> None:  # noqa: ARG002 - all nodes are compared anyway
        self._wake.set()

    def _gap(self, index: int) -> None:
        self._watches[index].poke()

    def _hint(self, index: int, tip_hash: str) -> None:
        """A node announced a tip: the first to do so is asked for a template at once (B6)."""
        watch = self._watches[index]
        with self._lock:
            known = self._handed_out is not None and self._handed_out.tip_hash == tip_hash
            first = tip_hash not in self._hints
            if first:
                self._hints.append(tip_hash)
        if first and not known and watch.view.usable:
            watch.request(tip_hash)
        # Its place and health are asked for while the template is on its way.
        watch.poke()

    def _offer(self, watch: NodeWatch, received: ReceivedTemplate) -> None:
        """Hand a template out, unless it is behind, a repetition, or of the wrong branch (B18)."""
        with self._delivery:
            with self._lock:
                if not self._is_wanted(watch, received):
                    return
                out = self._handed_out
                moved = out is None or out.tip_hash != received.tip.hash
                # The first templates after a block hold few transactions yet (B5).
                wait_s = self._refresh_s / 2 if moved else self._refresh_s
                self._handed_out = _HandedOut(
                    watch.name,
                    received.tip.hash,
                    received.received_s,
                    received.received_s + wait_s,
                )
                self._wish = None
            self._on_template(received)

    def _is_repeated(self, watch: NodeWatch, tip_hash: str) -> bool:
        """Say whether a template of this node on this tip would only repeat the one handed out."""
        with self._lock:
            out = self._handed_out
            return (
                out is not None
                and (out.node, out.tip_hash) == (watch.name, tip_hash)
                and self._wish is None
                and self._clock.monotonic() - out.received_s < REPEAT_MIN_S
            )

    def _is_wanted(self, watch: NodeWatch, received: ReceivedTemplate) -> bool:
        candidates = [view for view in self._candidates() if view.name == watch.name]
        if not candidates or candidates[0].tip != received.tip:
            return False
        out = self._handed_out
        if out is None or out.tip_hash != received.tip.hash:
            return True
        if self._wish is not None and watch.name in self._wish.asked:
            return True
        return out.node == watch.name and received.received_s - out.received_s >= REPEAT_MIN_S

    def _run_deciding(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(TICK_S)
            self._wake.clear()
            self._tell_status()
            self._ask_for_template()

    def _tell_status(self) -> None:
        with self._lock:
            usable = bool(self._candidates())
        why = None if usable else why_none_usable(self._views())
        if self._told != (usable, why):
            self._told = (usable, why)
            self._on_status(usable, why)

    def _ask_for_template(self) -> None:
        with self._lock:
            chosen = self._choose(self._candidates(), self._clock.monotonic())
            tip_hash = chosen.tip.hash if chosen and chosen.tip else ANY_TIP
            moved = self._handed_out is None or self._handed_out.tip_hash != tip_hash
        if chosen is not None:
            self._watch_of(chosen).request(tip_hash if moved else ANY_TIP)

    def _choose(self, candidates: list[NodeView], now_s: float) -> NodeView | None:
        """Return the node to ask now, if any; remembers that it was asked."""
        if not candidates:
            self._wish = None
            return None
        goal = frozenset(view.tip.hash for view in candidates if view.tip)
        wish = self._wish
        if wish is None or wish.goal != goal or now_s - wish.made_s > WISH_LIFETIME_S:
            if wish is None and not self._is_due(candidates, now_s):
                return None
            self._refresh_asked = False
            self._wish = wish = _Wish(goal, now_s, now_s)
        elif (
            wish.asked[-1] in {view.name for view in candidates} and now_s - wish.asked_s < HEDGE_S
        ):
            return None
        for view in candidates:
            if view.name not in wish.asked:
                wish.asked.append(view.name)
                wish.asked_s = now_s
                return view
        return None

    def _is_due(self, candidates: list[NodeView], now_s: float) -> bool:
        out = self._handed_out
        if out is None or self._refresh_asked or now_s >= out.refresh_at_s:
            return True
        by_name = {view.name: view.tip for view in candidates}
        tip = by_name.get(out.node)
        if tip is None or tip.hash != out.tip_hash:
            return True
        slow = self._slow()
        return out.node in slow and candidates[0].name not in slow
