from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load.ports import free_ports
from kench.pool.clock import ManualClock
from kench.pool.nodes.chain import OFF_CHAIN, ChainMovedError, ChainView
from kench.pool.nodes.facts import NoUsableNodeError
from kench.pool.rpc import Node, NodeError
from tests.pool.nodes.conftest import StartNode
from tests.support import nodes as served
from tests.support.blocks import build_block, hash_of, on_parent
from tests.support.fake_nodes import HealthyNode, NodeThatHangs, NodeWithoutPeers

UNKNOWN = "00" * 31 + "01"


@pytest.fixture(scope="module")
def node(start_node: StartNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Node]:
    with start_node(tmp_path_factory.mktemp("chain")) as running:
        yield running


def _mine(node: served.Node, extranonce: int = 0) -> str:
    block = build_block(node.rpc.template(), extranonce=extranonce)
    assert node.rpc.call("submitblock", block) is None
    return hash_of(block)


def test_b17_confirmations_count_from_the_tip(node: served.Node) -> None:
    first, second = _mine(node), _mine(node)
    view = ChainView([Node(node.url)])
    assert view.tip().hash == second
    assert view.header(second).confirmations == 1
    below = view.header(first)
    assert (below.confirmations, below.height) == (2, view.tip().height - 1)


def test_a_block_nobody_knows_has_no_confirmations(node: served.Node) -> None:
    found = ChainView([Node(node.url)]).header(UNKNOWN)
    assert (found.confirmations, found.height) == (None, None)


def test_b17_a_block_that_a_longer_branch_replaced_is_off_the_chain(node: served.Node) -> None:
    _mine(node)
    parent = node.rpc.call("getblockheader", node.rpc.call("getbestblockhash"))
    template = node.rpc.template()
    lost = _mine(node, extranonce=7)
    clock = ManualClock()
    view = ChainView([Node(node.url)], clock)
    assert view.header(lost).confirmations == 1
    for serial in (8, 9):
        block = build_block(on_parent(template, parent), extranonce=serial)
        node.rpc.call("submitblock", block)
        parent = node.rpc.call("getblockheader", hash_of(block))
    clock.advance(2)
    found = view.header(lost)
    assert (found.confirmations, found.tip.hash) == (OFF_CHAIN, parent["hash"])


def test_a_hash_that_is_none_is_objected_to(node: served.Node) -> None:
    with pytest.raises(NodeError, match="length"):
        ChainView([Node(node.url)]).header("abc")


def test_a_dead_node_is_passed_over(node: served.Node) -> None:
    (port,) = free_ports(1)
    dead = Node(f"http://u:p@127.0.0.1:{port}", "dead")
    tip = node.rpc.call("getbestblockhash")
    assert ChainView([dead, Node(node.url)]).header(tip).confirmations == 1


def test_a_node_that_hangs_in_the_midst_is_passed_over(
    node: served.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.pool.nodes.chain.CALL_TIMEOUT_S", 0.3)
    tip = node.rpc.call("getbestblockhash")
    with NodeThatHangs(chainwork=1 << 200) as hanging:
        hanging.hanging = False
        view = ChainView([Node(hanging.url, "hanging"), Node(node.url, "good")])
        assert view.tip().chainwork == 1 << 200
        hanging.hanging = True
        assert view.header(tip).confirmations == 1
        assert view.tip().hash == tip


def test_the_node_with_the_most_work_is_asked() -> None:
    with HealthyNode("aa" * 32, chainwork=5) as less, HealthyNode("bb" * 32, chainwork=6) as more:
        assert ChainView([Node(less.url), Node(more.url)]).tip().hash == "bb" * 32


def test_a_block_that_only_a_node_with_less_work_knows_is_off_the_chain() -> None:
    class NodeWithoutTheBlock(HealthyNode):
        def answer(self, http: object, request: dict[str, object]) -> None:
            if request["method"] == "getblockheader" and request["params"] == ["aa" * 32]:
                error = b'{"error": {"code": -5, "message": "Block not found"}, "result": null}'
                self.send(http, error, 500)  # type: ignore[arg-type]
            else:
                super().answer(http, request)  # type: ignore[arg-type]

    with HealthyNode("aa" * 32, chainwork=5) as less, NodeWithoutTheBlock("bb" * 32) as more:
        less.getblockhash = lambda height: "aa" * 32  # type: ignore[attr-defined]
        found = ChainView([Node(less.url), Node(more.url)]).header("aa" * 32)
    assert (found.confirmations, found.tip.hash) == (OFF_CHAIN, "bb" * 32)


def test_a_chain_that_moves_between_all_questions_is_no_answer() -> None:
    class NodeOfTwoMinds(HealthyNode):
        def getblockhash(self, height: int) -> str:
            return "ee" * 32

    with NodeOfTwoMinds() as served_node, pytest.raises(ChainMovedError):
        ChainView([Node(served_node.url)]).header(served_node.tip_hash)


def test_with_no_usable_node_each_is_named() -> None:
    (port,) = free_ports(1)
    nodes = [Node(f"http://u:p@127.0.0.1:{port}", "one")]
    with pytest.raises(NoUsableNodeError, match="node one cannot be reached"):
        ChainView(nodes).tip()


def test_a_node_of_another_network_is_not_asked() -> None:
    with NodeWithoutPeers() as served_node, pytest.raises(NoUsableNodeError, match="not regtest"):
        ChainView([Node(served_node.url)], network="regtest").tip()


def test_a_network_that_is_not_to_be_taken_from_a_node_has_to_be_set() -> None:
    with HealthyNode() as served_node:
        nodes = [Node(served_node.url)]
        with pytest.raises(NoUsableNodeError, match="set `network`"):
            ChainView(nodes, to_take={"main"}).tip()
        assert ChainView(nodes, network="regtest", to_take={"main"}).tip()


def test_a_node_that_stopped_leaves_nobody_to_ask(start_node: StartNode, tmp_path: Path) -> None:
    with start_node(tmp_path / "n") as first:
        tip = _mine(first)
        url = f"http://127.0.0.1:{first.rpc.port}?cookie={first.cookie_file}"
        view = ChainView([Node(url)], clock := ManualClock())
        assert view.header(tip).confirmations == 1
        first.stop()
        clock.advance(5)
        with pytest.raises(NoUsableNodeError):
            view.header(tip)
