"""The node set before nodes with one fault each."""

import time
from queue import Queue

import pytest

from kench.pool.nodes.facts import ReceivedTemplate
from kench.pool.rpc import Node
from tests.pool.nodes.conftest import LIMIT_S, SOON_S, running
from tests.support.fake_nodes import (
    HealthyNode,
    NodeInInitialDownload,
    NodeOfGarbage,
    NodeThatHangs,
    NodeThatWarmsUp,
    NodeTooBusy,
    NodeWithoutPeers,
    NodeWithUnknownRule,
)
from tests.support.waiting import await_that

NEXT = "22" * 32


@pytest.mark.parametrize(
    ("faulty", "network", "why"),
    [
        (NodeInInitialDownload, "main", "initial block download"),
        (NodeWithoutPeers, "main", "no peers"),
        (NodeThatWarmsUp, "regtest", "Loading block index"),
        (NodeOfGarbage, "regtest", "no Bitcoin node"),
        (NodeTooBusy, "regtest", "rpcworkqueue"),
        (HealthyNode, "main", "is on network regtest, not main"),
        (NodeWithUnknownRule, "regtest", "!quantum"),
    ],
)
def test_b18_a_node_that_must_not_be_used_gives_no_template_and_says_why(
    faulty: type[HealthyNode], network: str, why: str
) -> None:
    with (
        faulty() as served,
        running([Node(served.url)], network=network, poll_s=0.05) as (node_set, told),
    ):
        told.unusable_because(why)
        assert told.templates.empty()
        assert node_set.status()[0]["usable"] is False


def test_a_refused_password_is_told_without_it() -> None:
    with HealthyNode() as served:
        node = Node(f"http://kench:sesame@127.0.0.1:{served.port}")
        with running([node], poll_s=0.05) as (node_set, told):
            told.unusable_because("refuses the password")
            assert "sesame" not in str(node_set.status())


def test_b18_a_node_that_recovers_is_used_again() -> None:
    with (
        NodeInInitialDownload() as served,
        running([Node(served.url)], poll_s=0.05) as (_, told),
    ):
        told.unusable_because("initial block download")
        served.initial_download = False
        assert told.template().tip.hash == served.tip_hash
        assert told.usable(True) is None


def test_b2_the_good_nodes_template_is_taken_where_the_preferred_ones_is_refused() -> None:
    with NodeWithUnknownRule() as refused, HealthyNode() as good:
        nodes = [Node(refused.url, "refused"), Node(good.url, "good")]
        with running(nodes, poll_s=0.05) as (_, told):
            assert told.template().node == "good"


def test_a_template_that_hangs_is_asked_of_the_next_node_within_a_second() -> None:
    class NodeWhoseTemplatesHang(HealthyNode):
        hanging = False

        def getblocktemplate(self, request: dict[str, object]) -> dict[str, object]:
            answer = super().getblocktemplate(request)
            if self.hanging:  # asked last, so that no answer of the new tip slips by
                self.released.wait(20)
            return answer

    with NodeWhoseTemplatesHang() as slow, HealthyNode() as good:
        nodes = [Node(slow.url, "slow"), Node(good.url, "good")]
        with running(nodes, poll_s=0.05) as (node_set, told):
            told.template()
            await_that(lambda: all(line["usable"] for line in node_set.status()))
            slow.hanging = True
            for node in (slow, good):
                node.tip_hash, node.height, node.chainwork = NEXT, 101, 1001
            began_s = time.monotonic()
            assert told.template(on=NEXT).node == "good"
            assert time.monotonic() - began_s < SOON_S


def test_stopping_cuts_calls_that_hang() -> None:
    with NodeThatHangs() as served, running([Node(served.url)]):
        await_that(lambda: served.calls)


def test_a_fault_in_the_callback_does_not_silence_the_node() -> None:
    told: Queue[str] = Queue()

    def fail_first(received: ReceivedTemplate) -> None:
        told.put(received.tip.hash)
        if received.tip.hash != NEXT:
            raise RuntimeError("a defect")

    with (
        HealthyNode() as served,
        running([Node(served.url)], on_template=fail_first, poll_s=0.05),
    ):
        assert told.get(timeout=LIMIT_S) == served.tip_hash
        served.tip_hash, served.height, served.chainwork = NEXT, 101, 1001
        assert told.get(timeout=LIMIT_S) == NEXT
