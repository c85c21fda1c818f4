"""The Bitcoin side of the job maker: nodes watched, their templates made into jobs."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from kench.pool.clock import Clock
from kench.pool.coinbase import EXTRANONCE1_SIZE, EXTRANONCE2_SIZE
from kench.pool.errors import KenchError
from kench.pool.job import Job, JobKeys, JobMaker
from kench.pool.nodes.facts import NodeStatus, ReceivedTemplate
from kench.pool.nodes.nodeset import NodeSet
from kench.pool.orders.book import OrderBook
from kench.pool.rpc import Node
from kench.pool.settings import Settings
from kench.pool.template import Template
from kench.pool.wire_settings import networks_to_take
from kench.stratum.jobs import JobFactory
from kench.stratum.maker.custody import Custody

# What a proposal is refused for although the block would do: the tip moved meanwhile (B20).
_PROPOSAL_TOO_LATE = "inconclusive-not-best-prevblk"

log = structlog.get_logger("stratum")


class Downstream(Protocol):
    """Who takes the jobs; called from threads, must not wait."""

    def job_made(self, job: Job, template: Template, for_all: bool) -> None:
        """Take a job and its template: for all miners, or for those whose difficulty changed."""
        ...

    def no_job(self, why: str) -> None:
        """Hear why no job can be made."""
        ...

    def proposal_judged(self, reason: str | None) -> None:
        """Hear whether a node would take our blocks: once, None if so."""
        ...


class Source(Protocol):
    """Where jobs come from: our own nodes, or the machine that makes them for all."""

    @property
    def network(self) -> str | None:
        """The network that jobs are of, None until it is known."""
        ...

    def status(self) -> list[NodeStatus]:
        """Return one line for each node of this machine."""
        ...

    def custody(self) -> dict[str, Any]:
        """Return what came of checking jobs against the orders."""
        ...

    def state(self) -> dict[str, Any] | None:
        """Return how the feed between machines fares; None where there is one machine."""
        ...

    def start(self) -> None:
        """Start the threads."""
        ...

    def stop(self) -> None:
        """Stop them."""
        ...

    def block_accepted(self) -> None:
        """Have a job on our own block made at once."""
        ...

    def make_retarget_job(self) -> None:
        """Have another job of the newest template made; returns at once."""
        ...

    def make_again(self, *, for_all: bool = False) -> None:
        """Make another job of the newest template; waits, so call it in a thread."""
        ...


class Upstream:
    """Nodes and job factory, with their threads."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        keys: JobKeys,
        book: Callable[[], OrderBook],
        downstream: Downstream,
    ) -> None:
        self._downstream = downstream
        self._proposed = False
        nodes = [Node(url.get_secret_value()) for url in settings.node_urls]
        self._nodes = NodeSet(
            nodes,
            settings.node_zmq,
            clock,
            self._template_received,
            self._nodes_changed,
            network=settings.network,
            to_take=networks_to_take(settings),
            poll_s=settings.node_poll_s,
            refresh_s=settings.job_refresh_s,
        )
        self._custody = Custody(book, lambda: self._nodes.network, clock)
        maker = JobMaker(keys, self._custody.outputs, settings.coinbase_tag.encode())
        self._factory = JobFactory(maker, self._custody.check, downstream.job_made)

    @property
    def network(self) -> str | None:
        """The network that the nodes are on, None until one has said."""
        return self._nodes.network

    def status(self) -> list[NodeStatus]:
        """Return one line for each node."""
        return self._nodes.status()

    def custody(self) -> dict[str, Any]:
        """Return what came of checking jobs against the orders."""
        return self._custody.state()

    def state(self) -> None:
        """Return None: jobs of our own nodes come by no feed."""

    def start(self) -> None:
        """Start watching nodes."""
        self._nodes.start()

    def stop(self) -> None:
        """Stop all threads."""
        self._nodes.stop()

    def block_accepted(self) -> None:
        """Have templates fetched: a node took a block of ours, and we build on it at once (B6)."""
        self._nodes.refresh_now()

    def make_retarget_job(self) -> None:
        """Make another job of the newest template, in a thread."""
        threading.Thread(target=self.make_again, name="retarget", daemon=True).start()

    def make_again(self, *, for_all: bool = False) -> None:
        """Make another job of the newest template; waits, so call it in a thread."""
        try:
            self._factory.again(for_all=for_all)
        except KenchError as refused:
            self._downstream.no_job(str(refused))

    def _template_received(self, received: ReceivedTemplate) -> None:
        try:
            job = self._factory.from_template(received.template)
        except KenchError as refused:
            self._downstream.no_job(str(refused))
        else:
            if not self._proposed:
                self._propose(job, received.template)

    def _propose(self, job: Job, template: Template) -> None:
        """Ask a node, once, whether it would take a block with our coinbase (B20)."""
        nothing = bytes(EXTRANONCE1_SIZE), bytes(EXTRANONCE2_SIZE)
        header = job.prepared.header(*nothing, job.archived.ntime, 0, job.archived.version)
        try:
            start = job.block_start(header, *nothing).hex()
            reason = self._nodes.propose(start + body_hex(template).decode())
        except KenchError as fault:
            # A node that cannot judge proposals judges blocks all the same.
            log.warning("first block not proposed", why=str(fault))
            reason = None
        if reason != _PROPOSAL_TOO_LATE:
            self._proposed = True
            self._downstream.proposal_judged(reason)

    def _nodes_changed(self, usable: bool, why: str | None) -> None:
        log.info("nodes", usable=usable, why=why)
        if not usable:
            self._downstream.no_job(why or "no usable node")


def body_hex(template: Template) -> bytes:
    """Return the transactions of a template as they stand in a block, in hex."""
    return "".join(template.transactions_hex).encode("ascii")
