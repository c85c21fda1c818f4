"""One node under watch: its polling and template threads, and what they have learnt.

Each thread has a connection of its own, so a slow template never delays a health check. What is
known is one frozen NodeView, replaced whole; readers need no lock.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from kench.pool.clock import Clock
from kench.pool.nodes.facts import (
    NodeView,
    ReceivedTemplate,
    Tip,
    tip_of_chain_info,
    tip_of_header,
    why_unusable,
)
from kench.pool.nodes.reading import TemplateReading
from kench.pool.rpc import Node, NodeFaultError, NodeGarbledError, NodeLine, NodeUnreachableError
from kench.pool.template import Template, TemplateRefusedError

# A node that does not say its tip in this time hangs. Core may hold its main lock for a second or
# so while it connects a block; the set asks another node long before this.
POLL_TIMEOUT_S = 3.0
TEMPLATE_TIMEOUT_S = 20.0
# Core answers a long poll only when tip or mempool change; a quiet node may take longer than any
# time-out.
LONGPOLL_TIMEOUT_S = 150.0
# Health beyond the tip (peers, network, initial download) is asked this often.
EXAMINE_S = 5.0
TEMPLATE_RETRY_S = 1.0
FAULT_PAUSE_S = 1.0
# A long poll under way brings a new tip's template by itself. Asking for it too has it made, sent
# and read twice: of 3,100 transactions, Core then gave the first after 42 to 58 ms instead of 30 to
# 50. So a long poll is given a time in which every healthy node answers; one that let us down is
# not waited for until it has brought another template.
LONGPOLL_PATIENCE_S = 0.2
# Where a template is wanted on whatever tip the node has.
ANY_TIP = ""

log = structlog.get_logger("kench.nodes")


class NodeWatch:
    """Watches one node; the threads are started by NodeSet.

    `claim_network(chain)` returns the network that all nodes must be on. `is_repeated(watch, tip)`
    tells that a template on that tip was handed out this moment. `on_change(watch)` is called when
    the view has changed, `on_template(watch, received)` for each fresh template.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place, by NodeSet
        self,
        node: Node,
        clock: Clock,
        stop: threading.Event,
        poll_s: float,
        claim_network: Callable[[str], str],
        is_repeated: Callable[["NodeWatch", str], bool],
        on_change: Callable[["NodeWatch"], None],
        on_template: Callable[["NodeWatch", ReceivedTemplate], None],
    ) -> None:
        self.node = node
        self.view = NodeView(node.name)
        self.clock = clock
        self.stopping = stop
        self.longpoll_id = ""
        self.longpoll_wake = threading.Event()
        self._longpoll_over = threading.Event()
        self._longpoll_over.set()
        self._longpoll_trusted = True
        self._poll_s = poll_s
        self._claim_network = claim_network
        self._is_repeated = is_repeated
        self._reading = threading.Lock()
        self._on_change = on_change
        self._on_template = on_template
        self._poll_line = node.line()
        self._fetch_line = node.line()
        self.longpoll_line = node.line()
        self._lines = (self._poll_line, self._fetch_line, self.longpoll_line)
        self._poll_wake = threading.Event()
        self._poll_started_s: float | None = None
        self._fetch_wake = threading.Event()
        self._wanted_tip: str | None = None
        self._lock = threading.Lock()
        self._network = ""
        self._observed_s = float("-inf")
        self._examined_s = float("-inf")
        self._health_why: str | None = self.view.why
        self._template_why: str | None = None

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    def poke(self) -> None:
        """Have the tip and health asked again at once."""
        self._poll_wake.set()

    def request(self, tip_hash: str = ANY_TIP) -> None:
        """Have a template fetched at once.

        `tip_hash` is the tip it is wanted for: a fetch or long poll under way that turns out to be
        on it will do. ANY_TIP asks for a fetch that begins after this call.
        """
        with self._lock:
            self._wanted_tip = tip_hash
        self._fetch_wake.set()

    def stop(self) -> None:
        """Wake every thread and cut its call short; `stop` was set before."""
        for line in self._lines:
            line.cut()
        for wake in (self._poll_wake, self._fetch_wake, self.longpoll_wake):
            wake.set()

    def close(self) -> None:
        """Close the connections; no thread of this node runs any more."""
        for line in self._lines:
            line.close()

    def is_slow(self, now_s: float, limit_s: float) -> bool:
        """Whether a question for its tip has gone unanswered for more than `limit_s`."""
        started_s = self._poll_started_s
        return started_s is not None and now_s - started_s > limit_s

    def run_polling(self) -> None:
        """Ask for tip and health each `poll_s`; the body of the polling thread."""
        poked = True
        while not self.stopping.is_set():
            self._poll_wake.clear()
            self._poll_started_s = self.clock.monotonic()
            try:
                self._poll(poked)
            except NodeFaultError as fault:
                self._set_health(str(fault))
            finally:
                self._poll_started_s = None
            poked = self._poll_wake.wait(self._poll_s)

    def run_fetching(self) -> None:
        """Fetch templates when asked to; the body of the template thread."""
        while not self.stopping.is_set():
            asked = self._fetch_wake.wait(TEMPLATE_RETRY_S)
            self._fetch_wake.clear()
            if asked and self._was_brought():
                continue
            retry = self._template_why is not None and self._health_why is None
            if (asked or retry) and self._network and not self.stopping.is_set():
                self._fetch()

    def template_request(self, **more: str) -> dict[str, Any]:
        """Return getblocktemplate's argument (B1)."""
        rules = ["segwit", "signet"] if self._network == "signet" else ["segwit"]
        capabilities = ["longpoll", "coinbasevalue", "workid", "proposal"]
        return {"capabilities": capabilities, "rules": rules, **more}

    def ask(self, line: NodeLine, timeout_s: float, **more: str) -> str | None:
        """Ask for a template and take it; return its previous block's hash.

        None means that it was older than the node's own tip and was dropped (B4).
        Raises NodeFaultError; a refused template only marks the node.
        """
        asked_s = self.clock.monotonic()
        reading = TemplateReading(self._reading, lambda tip: self._is_repeated(self, tip))
        with reading:
            raw = line.call(
                "getblocktemplate",
                self.template_request(**more),
                timeout_s=timeout_s,
                decode=reading.decode,
            )
            if reading.repeated is not None:
                return reading.repeated
            return self._take(raw, line, asked_s)

    def long_poll(self) -> str | None:
        """Ask for the template after the one that was taken last, as `ask` does."""
        self._longpoll_over.clear()
        try:
            tip_hash = self.ask(self.longpoll_line, LONGPOLL_TIMEOUT_S, longpollid=self.longpoll_id)
            self._longpoll_trusted = True
        finally:
            self._longpoll_over.set()
        return tip_hash

    def _was_brought(self) -> bool:
        """Say whether a long poll brought what was asked for, after a moment in which it may."""
        if self._wanted_tip and self._longpoll_trusted and not self._longpoll_over.is_set():
            self._longpoll_trusted = self._longpoll_over.wait(LONGPOLL_PATIENCE_S)
        return self._wanted_tip is None

    def _take(self, raw: Any, line: NodeLine, asked_s: float) -> str | None:
        received_s = self.clock.monotonic()
        try:
            template = Template.parse(raw if isinstance(raw, dict) else {})
            tip = self._tip_under(template, line)
        except TemplateRefusedError as refusal:
            self._set_template_fault(str(refusal))
            return None
        if tip is None:
            self.request()
            return None
        with self._lock:
            if self._wanted_tip == tip.hash:
                self._wanted_tip = None
                self._fetch_wake.clear()
        self.longpoll_id = template.longpollid
        self.longpoll_wake.set()
        self._set_template_fault(None, tell=False)
        self._on_template(self, ReceivedTemplate(template, tip, self.name, asked_s, received_s))
        self._on_change(self)
        return tip.hash

    def _poll(self, poked: bool) -> None:
        """Ask for the tip, and for health where that is due; at once for both if there is news."""
        line = self._poll_line
        asked_s = self.clock.monotonic()
        if not poked and self._health_why is None and asked_s - self._examined_s < EXAMINE_S:
            tip = self.view.tip
            best = line.call("getbestblockhash", timeout_s=POLL_TIMEOUT_S)
            if tip is not None and tip.hash == best:
                return
            asked_s = self.clock.monotonic()
        info = line.call("getblockchaininfo", timeout_s=POLL_TIMEOUT_S)
        tip = tip_of_chain_info(self.name, info)
        self._network = self._claim_network(str(info.get("chain")))
        try:
            why = why_unusable(info, 1, self._network)
            # A template may be waiting for its tip's place: it is told before peers are counted.
            self._observe(tip, asked_s)
            if why is None:
                network = line.call("getnetworkinfo", timeout_s=POLL_TIMEOUT_S)
                why = why_unusable(info, int(network["connections"]), self._network)
        except (KeyError, TypeError, ValueError) as error:
            raise NodeGarbledError(
                f"node {self.name} answers unlike Bitcoin Core: {error!r}"
            ) from error
        self._examined_s = asked_s
        self._set_health(why)

    def _fetch(self) -> None:
        try:
            self.ask(self._fetch_line, TEMPLATE_TIMEOUT_S)
        except NodeFaultError as fault:
            self._set_template_fault(str(fault))
            if isinstance(fault, NodeUnreachableError):
                self.poke()

    def _tip_under(self, template: Template, line: NodeLine) -> Tip | None:
        """Return the tip that a template builds on, None where the node has left it.

        Asked after the template came: a node whose best block is not the template's previous one
        has moved on meanwhile.
        """
        known = self.view.tip
        if known is None or known.hash != template.prevhash:
            asked_s = self.clock.monotonic()
            if line.call("getbestblockhash", timeout_s=POLL_TIMEOUT_S) != template.prevhash:
                return None
            header = line.call("getblockheader", template.prevhash, timeout_s=POLL_TIMEOUT_S)
            known = tip_of_header(self.name, header)
            self._observe(known, asked_s)
        if template.height != known.height + 1:
            raise TemplateRefusedError(
                f"node {self.name} gives a template of height {template.height}"
                f" on a tip of height {known.height}"
            )
        return known

    def _observe(self, tip: Tip, asked_s: float) -> None:
        """Record a tip, unless another was observed after this one was asked for."""
        with self._lock:
            if asked_s < self._observed_s:
                self._poll_wake.set()
                return
            self._observed_s = self.clock.monotonic()
            self.view = replace(self.view, tip=tip)

    def _set_health(self, why: str | None) -> None:
        before = self.view
        with self._lock:
            recovered = self._health_why is not None and why is None
            self._health_why = why
            self._show()
        if recovered:
            # Gives a long-poll id, and shows whether the node can make templates at all.
            self.request()
        self._tell(before)

    def _set_template_fault(self, why: str | None, *, tell: bool = True) -> None:
        before = self.view
        with self._lock:
            self._template_why = why
            self._show()
        if tell:
            self._tell(before)

    def _show(self) -> None:
        self.view = replace(self.view, why=self._health_why or self._template_why)

    def _tell(self, before: NodeView) -> None:
        if before.why != self.view.why:
            log.info("node", node=self.name, usable=self.view.usable, why=self.view.why)
        self._on_change(self)
