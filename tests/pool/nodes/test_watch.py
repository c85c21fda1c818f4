"""Which questions a watched node is asked when its tip moves."""

import threading
from typing import Any

import pytest

from kench.pool.nodes import watch
from kench.pool.rpc import Node
from tests.pool.nodes.conftest import LIMIT_S, running
from tests.support.fake_nodes import LIMIT_S as ANSWER_LIMIT_S
from tests.support.fake_nodes import NodeThatCountsTemplates
from tests.support.waiting import await_that

NEXT, LAST = "22" * 32, "33" * 32


class NodeThatMoves(NodeThatCountsTemplates):
    """Its long poll is answered when `told` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def getblocktemplate(self, request: dict[str, Any]) -> dict[str, Any] | None:  # type: ignore[override]
        self.asked.append("longpoll" if "longpollid" in request else "template")
        if "longpollid" in request:
            await_that(lambda: self.told.is_set() or self.released.is_set())
        return self.template()

    def move(self, tip_hash: str) -> None:
        self.tip_hash = tip_hash
        self.height += 1
        self.chainwork += 1


def test_b4_what_the_long_poll_brings_is_not_asked_for_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "LONGPOLL_PATIENCE_S", LIMIT_S)
    with NodeThatMoves() as node, running([Node(node.url)], poll_s=0.02) as (node_set, told):
        told.template()
        await_that(lambda: "longpoll" in node.asked)
        before = node.asked.count("template")
        node.move(NEXT)
        await_that(lambda: node_set.status()[0]["tip"] == NEXT)
        node.told.set()
        assert told.template(on=NEXT).template.prevhash == NEXT
        assert node.asked.count("template") == before


def test_b6_a_silent_long_poll_keeps_no_template_back_and_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with NodeThatMoves() as node, running([Node(node.url)], poll_s=0.02) as (_, told):
        told.template()
        await_that(lambda: "longpoll" in node.asked)
        node.move(NEXT)
        assert told.template(on=NEXT).template.prevhash == NEXT
        monkeypatch.setattr(watch, "LONGPOLL_PATIENCE_S", 10 * LIMIT_S)
        node.move(LAST)
        assert told.template(on=LAST).template.prevhash == LAST


def test_b6_a_tip_is_placed_before_peers_are_counted() -> None:
    class NodeThatCountsPeersLong(NodeThatMoves):
        counting = False

        def getnetworkinfo(self) -> dict[str, Any]:
            if self.counting:
                self.released.wait(ANSWER_LIMIT_S)
            return super().getnetworkinfo()

    with NodeThatCountsPeersLong() as node, running([Node(node.url)], poll_s=0.02) as (_, told):
        told.template()
        node.counting = True
        node.move(NEXT)
        assert told.template(on=NEXT).tip.height == node.height
