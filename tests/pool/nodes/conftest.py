"""Nodes for the tests of the node client, and what a NodeSet tells."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from kench.pool.clock import SystemClock
from kench.pool.nodes.facts import ReceivedTemplate
from kench.pool.nodes.nodeset import NodeSet
from kench.pool.rpc import Node
from tests.support import nodes as served
from tests.support.nodes import BITCOIND, core_node, kench_node

LIMIT_S = 15.0
SOON_S = 2.5
"""Less than any time-out; how much less is for benchmarks."""
KINDS = ["kench", "core"] if BITCOIND else ["kench"]

StartNode = Callable[[Path], AbstractContextManager[served.Node]]


class Told:
    """What a NodeSet told: templates and status, each to be waited for."""

    def __init__(self) -> None:
        self.templates: Queue[ReceivedTemplate] = Queue()
        self.status: Queue[tuple[bool, str | None]] = Queue()

    def template(self, *, on: str | None = None, by: str | None = None) -> ReceivedTemplate:
        """Next template, on this tip, from this node; others before it are passed over."""
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            one = self.templates.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if on in (None, one.tip.hash) and by in (None, one.node):
                return one

    def usable(self, wanted: bool) -> str | None:
        """Wait until told so; return why."""
        deadline_s = time.monotonic() + LIMIT_S
        while True:
            usable, why = self.status.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if usable == wanted:
                return why

    def unusable_because(self, words: str) -> None:
        """Wait until told that no node is usable, for this reason."""
        deadline_s = time.monotonic() + LIMIT_S
        while words not in str(self.usable(False)):
            assert time.monotonic() < deadline_s

    def nothing_for(self, seconds: float) -> bool:
        """Whether no template comes for so long."""
        try:
            self.templates.get(timeout=seconds)
        except Empty:
            return True
        return False


@contextmanager
def running(
    nodes: list[Node],
    zmq: list[str] | None = None,
    on_template: Callable[[ReceivedTemplate], None] | None = None,
    **options: Any,
) -> Iterator[tuple[NodeSet, Told]]:
    """Run a NodeSet until the block ends, which must take less than three seconds."""
    told = Told()
    one = NodeSet(
        nodes,
        zmq or [],
        SystemClock(),
        on_template or told.templates.put,
        lambda usable, why: told.status.put((usable, why)),
        **options,
    )
    one.start()
    try:
        yield one, told
    finally:
        began_s = time.monotonic()
        one.stop()
        assert time.monotonic() - began_s < 3


@pytest.fixture(scope="module", params=KINDS)
def start_node(request: pytest.FixtureRequest) -> StartNode:
    """How a node of this kind is started in a folder."""
    if request.param == "kench":
        return lambda folder: kench_node(folder, "--block-difficulty", "0")
    return core_node
