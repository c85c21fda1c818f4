"""The node set on real nodes: `kench node` always, Bitcoin Core where it is named."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kench.pool.rpc import Node, NodeAddressError
from tests.pool.nodes.conftest import SOON_S, StartNode, Told, running
from tests.support import nodes as served
from tests.support.blocks import build_block, hash_of, on_parent
from tests.support.waiting import await_that

SLOW_POLL_S = 30.0


@pytest.fixture(scope="module")
def pair(
    start_node: StartNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[served.Node, served.Node]]:
    """Two nodes that are not peers of each other, on one chain."""
    with (
        start_node(tmp_path_factory.mktemp("a")) as first,
        start_node(tmp_path_factory.mktemp("b")) as second,
    ):
        yield first, second


@pytest.fixture
def nodes(pair: tuple[served.Node, served.Node]) -> list[Node]:
    level(pair)
    return [Node(pair[0].url, "a"), Node(pair[1].url, "b")]


def mine(*served_nodes: served.Node) -> str:
    """Give one new block, on the first node's tip, to the nodes in turn; return its hash."""
    block = build_block(served_nodes[0].rpc.template(), extranonce=time.monotonic_ns() & 0xFFFFFFFF)
    for one in served_nodes:
        assert one.rpc.call("submitblock", block) in (None, "inconclusive", "duplicate")
    return hash_of(block)


def level(pair: tuple[served.Node, served.Node]) -> str:
    """Bring both nodes to the chain of the one with more work."""
    tips = [one.rpc.call("getblockchaininfo") for one in pair]
    behind, ahead = sorted(range(2), key=lambda i: int(tips[i]["chainwork"], 16))
    missing = []
    block_hash = tips[ahead]["bestblockhash"]
    while block_hash != tips[behind]["bestblockhash"] and len(missing) < 100:
        missing.append(pair[ahead].rpc.call("getblock", block_hash, 0))
        header = pair[ahead].rpc.call("getblockheader", block_hash)
        if header["height"] <= 1:
            break
        block_hash = header["previousblockhash"]
    for block in reversed(missing):
        pair[behind].rpc.call("submitblock", block)
    return mine(pair[ahead], pair[behind])


def test_b6_zmq_tells_a_new_tip_long_before_the_poll(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes[:1], [pair[0].zmq_endpoint], poll_s=SLOW_POLL_S) as (_, told):
        told.template()
        _wait_for_zmq(pair[0], told)
        tip = mine(pair[0])
        began_s = time.monotonic()
        received = told.template(on=tip)
        assert time.monotonic() - began_s < SOON_S
    assert received.template.prevhash == tip
    assert received.node == "a"
    assert received.template.height == received.tip.height + 1


def _wait_for_zmq(node: served.Node, told: Told) -> None:
    """A subscription takes a moment: mine until a block's template has come."""
    tip = mine(node)
    told.template(on=tip)


def test_b4_longpoll_tells_a_new_tip_long_before_the_poll(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes[:1], poll_s=SLOW_POLL_S) as (_, told):
        told.template()
        for _ in range(3):
            tip = mine(pair[0])
            began_s = time.monotonic()
            told.template(on=tip)
            assert time.monotonic() - began_s < 3


def test_b6_each_tip_is_told_once(pair: tuple[served.Node, served.Node], nodes: list[Node]) -> None:
    endpoints = [one.zmq_endpoint for one in pair]
    with running(nodes, endpoints, poll_s=0.1) as (_, told):
        told.template()
        for _ in range(3):
            tip = mine(*pair)
            told.template(on=tip)
            assert told.nothing_for(0.6)


def test_b18_a_template_never_comes_from_the_node_that_is_behind(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes, poll_s=0.1, refresh_s=0.2) as (node_set, told):
        told.template()
        ahead = mine(pair[1])
        told.template(on=ahead, by="b")
        for _ in range(5):
            received = told.template()
            assert (received.node, received.tip.hash) == ("b", ahead)
        pair[0].rpc.call("submitblock", pair[1].rpc.call("getblock", ahead, 0))
        # The preferred node is used again as soon as it has caught up.
        assert told.template(by="a").tip.hash == ahead
        assert [line["usable"] for line in node_set.status()] == [True, True]


def test_b18_of_two_tips_of_equal_work_the_first_seen_stays(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes, poll_s=0.1, refresh_s=0.2) as (_, told):
        told.template()
        first = mine(pair[1])
        told.template(on=first)
        mine(pair[0])
        for _ in range(5):
            assert told.template().tip.hash == first


def test_a_shorter_chain_after_invalidateblock_is_followed(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes[:1], poll_s=0.1) as (_, told):
        before = told.template().tip
        tip = mine(pair[0])
        told.template(on=tip)
        pair[0].rpc.call("invalidateblock", tip)
        assert told.template(on=before.hash).tip.height == before.height


def test_a_longer_side_branch_is_followed(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes[:1], poll_s=0.1) as (_, told):
        base = told.template().tip.hash
        template = pair[0].rpc.template()
        mine(pair[0])
        parent = pair[0].rpc.call("getblockheader", base)
        for serial in (901, 902):
            block = build_block(on_parent(template, parent), extranonce=serial)
            pair[0].rpc.call("submitblock", block)
            parent = pair[0].rpc.call("getblockheader", hash_of(block))
        assert told.template(on=hash_of(block)).template.height == parent["height"] + 1


def test_refresh_now_finds_our_own_block_at_once(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes[1:], poll_s=SLOW_POLL_S) as (node_set, told):
        told.template()
        tip = mine(pair[1])
        node_set.refresh_now()
        began_s = time.monotonic()
        told.template(on=tip)
        assert time.monotonic() - began_s < SOON_S


def test_b20_a_proposal_is_judged(pair: tuple[served.Node, served.Node], nodes: list[Node]) -> None:
    with running(nodes) as (node_set, told):
        told.template()
        template = pair[0].rpc.template()
        assert node_set.propose(build_block(template)) is None
        wrong = build_block(template, amount_sat=template["coinbasevalue"] + 1)
        assert node_set.propose(wrong) == "bad-cb-amount"


def test_a_node_that_hangs_does_not_delay_the_others_tip(
    pair: tuple[served.Node, served.Node], nodes: list[Node]
) -> None:
    with running(nodes, poll_s=0.1) as (_, told):
        told.template()
        os.kill(pair[0].process.pid, signal.SIGSTOP)
        try:
            tip = mine(pair[1])
            began_s = time.monotonic()
            assert told.template(on=tip).node == "b"
            assert time.monotonic() - began_s < SOON_S
        finally:
            os.kill(pair[0].process.pid, signal.SIGCONT)


def test_b18_failover_after_a_death_waits_for_no_timeout(
    start_node: StartNode, tmp_path: Path
) -> None:
    with start_node(tmp_path / "b") as second, start_node(tmp_path / "a") as first:
        mine(first, second)
        nodes = [Node(first.url, "a"), Node(second.url, "b")]
        with running(nodes, poll_s=0.1) as (node_set, told):
            tip = mine(first)
            told.template(on=tip, by="a")
            second.rpc.call("submitblock", first.rpc.call("getblock", tip, 0))
            await_that(lambda: [line["tip"] for line in node_set.status()] == [tip, tip])
            first.kill()
            began_s = time.monotonic()
            assert told.template().node == "b"
            assert time.monotonic() - began_s < SOON_S
            assert [line["usable"] for line in node_set.status()] == [False, True]


def test_with_no_usable_node_the_reason_is_told_at_once(
    start_node: StartNode, tmp_path: Path
) -> None:
    with start_node(tmp_path / "a") as first:
        mine(first)
        with running([Node(first.url, "a")]) as (_, told):
            told.template()
            told.usable(True)
            first.kill()
            began_s = time.monotonic()
            assert "cannot be reached" in str(told.usable(False))
            assert time.monotonic() - began_s < SOON_S


def test_the_same_node_twice_is_refused() -> None:
    node = Node("http://u:p@127.0.0.1:1")
    with pytest.raises(NodeAddressError, match="twice"), running([node, node]):
        pass


def test_no_node_at_all_is_refused() -> None:
    with pytest.raises(NodeAddressError, match="KENCH_NODE_URLS"), running([]):
        pass


def test_a_network_that_is_not_to_be_taken_from_a_node_has_to_be_set(nodes: list[Node]) -> None:
    with running(nodes, to_take={"main"}) as (node_set, told):
        told.unusable_because("set `network`")
        assert node_set.network is None
    with running(nodes, to_take={"main"}, network="regtest") as (node_set, told):
        told.usable(True)
