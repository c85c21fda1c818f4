"""Found blocks on real nodes and on nodes with one fault."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from benchmarks.load.ports import free_ports
from kench.pool import submission, submission_route
from kench.pool.clock import SystemClock
from kench.pool.rpc import Node, NodeError
from kench.pool.submission import BlockQueueFullError, BlockSender, Outcome
from kench.pool.submission_journal import BlockJournal, FoundBlock
from kench.pool.submission_outcome import outcome_of_error, outcome_of_result
from tests.support import nodes as served
from tests.support.blocks import build_block, hash_of, on_parent
from tests.support.fake_nodes import HealthyNode, NodeThatHangs, NodeThatSaysOfBlocks
from tests.support.nodes import BITCOIND, core_node, kench_node

LIMIT_S = 15.0
KINDS = ["kench", "core"] if BITCOIND else ["kench"]
Told = tuple[str, str, Outcome]


class Outcomes:
    """What a sender told, to be waited for."""

    def __init__(self) -> None:
        self.all: list[Told] = []
        self._queue: Queue[Told] = Queue()

    def put(self, block_hash: str, node: str, outcome: Outcome) -> None:
        self._queue.put((block_hash, node, outcome))

    def until(self, outcome: Outcome, node: str = "") -> None:
        """Wait for an outcome from a node."""
        deadline_s = time.monotonic() + LIMIT_S
        while not any(told[1:] == (node, outcome) for told in self.all):
            self.all.append(self._queue.get(timeout=max(0.01, deadline_s - time.monotonic())))


@contextmanager
def sending(nodes: list[Node], folder: Path) -> Iterator[tuple[BlockSender, Outcomes]]:
    told = Outcomes()
    sender = BlockSender(nodes, folder, SystemClock(), told.put)
    sender.start()
    try:
        yield sender, told
    finally:
        began_s = time.monotonic()
        sender.stop()
        assert time.monotonic() - began_s < 4


@pytest.fixture(scope="module", params=KINDS)
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[served.Node]:
    folder = tmp_path_factory.mktemp(request.param)
    starter = (
        kench_node(folder, "--block-difficulty", "0")
        if request.param == "kench"
        else core_node(folder)
    )
    with starter as running:
        running.rpc.call("submitblock", build_block(running.rpc.template()))
        yield running


def _template(node: served.Node) -> dict[str, Any]:
    return node.rpc.template()


def _lines(folder: Path, block_hash: str, suffix: str) -> list[dict[str, Any]]:
    (path,) = folder.glob(f"*-{block_hash}.{suffix}")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_found_block_is_accepted_preferred_confirmed_and_settled(
    node: served.Node, tmp_path: Path
) -> None:
    template = _template(node)
    block = build_block(template)
    with sending([Node(node.url, "a")], tmp_path) as (sender, told):
        sender.submit(hash_of(block), template["height"], block.encode(), {"worker": "1.rig"})
        told.until(Outcome.ACCEPTED, "a")
        told.until(Outcome.CONFIRMED)
        assert node.rpc.call("getbestblockhash") == hash_of(block)
    lines = _lines(tmp_path, hash_of(block), "settled")
    assert [line["outcome"] for line in lines] == ["accepted", "confirmed"]
    assert lines[0]["precious"] == "preferred"
    (kept,) = _lines(tmp_path, hash_of(block), "json")
    assert (kept["block_hex"], kept["note"]) == (block, {"worker": "1.rig"})


def test_b14_a_block_the_node_knows_is_a_success(node: served.Node, tmp_path: Path) -> None:
    template = _template(node)
    block = build_block(template)
    node.rpc.call("submitblock", block)
    with sending([Node(node.url, "a")], tmp_path) as (sender, told):
        sender.submit(hash_of(block), template["height"], block.encode())
        told.until(Outcome.DUPLICATE, "a")
        told.until(Outcome.CONFIRMED)


def test_b14_a_wrong_block_is_rejected_with_its_reason_and_ends(
    node: served.Node, tmp_path: Path
) -> None:
    template = _template(node)
    block = build_block(template, amount_sat=template["coinbasevalue"] + 1)
    with sending([Node(node.url, "a")], tmp_path) as (sender, told):
        sender.submit(hash_of(block), template["height"], block.encode())
        told.until(Outcome.REJECTED, "a")
        node.rpc.call("submitblock", build_block(template))
        told.until(Outcome.LOST)
    lines = _lines(tmp_path, hash_of(block), "settled")
    assert lines[0]["reason"] == "bad-cb-amount"


def test_b14_what_cannot_be_decoded_is_an_alarm(node: served.Node, tmp_path: Path) -> None:
    with sending([Node(node.url, "a")], tmp_path) as (sender, told):
        sender.submit("ee" * 32, 5, b"00")
        told.until(Outcome.UNDECODABLE, "a")
    assert Outcome.UNDECODABLE.is_alarm


def test_b14_a_block_that_lost_the_race_is_watched_until_its_branch_wins(
    node: served.Node, tmp_path: Path
) -> None:
    template = _template(node)
    parent = node.rpc.call("getblockheader", template["previousblockhash"])
    node.rpc.call("submitblock", build_block(template, extranonce=1))
    node.rpc.call("submitblock", build_block(_template(node), extranonce=1))
    late = build_block(template, extranonce=2)
    with sending([Node(node.url, "a")], tmp_path) as (sender, told):
        sender.submit(hash_of(late), template["height"], late.encode())
        told.until(Outcome.INCONCLUSIVE, "a")
        assert sender.following() == 1
        parent = node.rpc.call("getblockheader", hash_of(late))
        for serial in (3, 4):
            block = build_block(on_parent(template, parent), extranonce=serial)
            node.rpc.call("submitblock", block)
            parent = node.rpc.call("getblockheader", hash_of(block))
        told.until(Outcome.CONFIRMED)
        assert sender.following() == 0


def test_a_block_buried_under_another_branch_is_lost(
    node: served.Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "LOST_DEPTH", 3)
    template = _template(node)
    node.rpc.call("submitblock", build_block(template, extranonce=1))
    node.rpc.call("submitblock", build_block(_template(node), extranonce=1))
    late = build_block(template, extranonce=2)
    with sending([Node(node.url, "a")], tmp_path) as (sender, told):
        sender.submit(hash_of(late), template["height"], late.encode())
        told.until(Outcome.INCONCLUSIVE, "a")
        for _ in range(3):
            node.rpc.call("submitblock", build_block(_template(node)))
        told.until(Outcome.LOST)


def test_b15_every_node_gets_the_block_though_the_first_is_dead_or_hangs(
    node: served.Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission_route, "BACKOFF_MAX_S", 0.1)
    (port,) = free_ports(1)
    dead = Node(f"http://u:p@127.0.0.1:{port}", "dead")
    template = _template(node)
    block = build_block(template)
    with NodeThatHangs() as hanging:
        nodes = [dead, Node(hanging.url, "hanging"), Node(node.url, "good")]
        with sending(nodes, tmp_path) as (sender, told):
            began_s = time.monotonic()
            sender.submit(hash_of(block), template["height"], block.encode())
            told.until(Outcome.ACCEPTED, "good")
            assert time.monotonic() - began_s < 2
            told.until(Outcome.UNREACHABLE, "dead")


def test_b15_a_node_is_tried_six_times() -> None:
    assert submission_route.SEND_TRIES_MAX - 1 >= 5
    assert submission_route.SUBMIT_TIMEOUT_S >= 60


def test_a_block_that_no_node_took_is_sent_again_until_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission_route, "SEND_TRIES_MAX", 1)
    monkeypatch.setattr(submission, "RESEND_FIRST_S", 0.1)
    monkeypatch.setattr(submission, "WATCH_S", 0.1)
    with NodeThatSaysOfBlocks("ab" * 32) as served_node:
        served_node.results = [None]
        right = served_node.credentials
        served_node.credentials = "kench:changed"
        with sending([Node(served_node.url, "a")], tmp_path) as (sender, told):
            sender.submit("cd" * 32, 100, b"00")
            told.until(Outcome.UNREACHABLE, "a")
            served_node.credentials = right
            told.until(Outcome.ACCEPTED, "a")
            served_node.tip_hash = "cd" * 32
            told.until(Outcome.CONFIRMED)


def test_a_block_whose_end_was_not_known_is_sent_again_after_a_crash(
    node: served.Node, tmp_path: Path
) -> None:
    template = _template(node)
    block = build_block(template)
    (port,) = free_ports(1)
    with sending([Node(f"http://u:p@127.0.0.1:{port}", "a")], tmp_path) as (sender, _):
        sender.submit(hash_of(block), template["height"], block.encode())
        _wait_for(lambda: any(tmp_path.glob("*.json")))
    with sending([Node(node.url, "a")], tmp_path) as (_, told):
        told.until(Outcome.ACCEPTED, "a")
        told.until(Outcome.CONFIRMED)
    with sending([Node(node.url, "a")], tmp_path) as (sender, _):
        assert sender.following() == 0


def _wait_for(held: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not held():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_the_block_is_in_a_file_before_it_is_sent(tmp_path: Path) -> None:
    seen: list[bool] = []

    class NodeThatLooksAtTheDisk(HealthyNode):
        def submitblock(self, block_hex: str) -> str:
            seen.append(any(tmp_path.glob("*.json")))
            return "inconclusive"

    with (
        NodeThatLooksAtTheDisk() as served_node,
        sending([Node(served_node.url, "a")], tmp_path) as (sender, told),
    ):
        sender.submit("ab" * 32, 100, b"00")
        told.until(Outcome.INCONCLUSIVE, "a")
    assert seen == [True]


def test_a_block_goes_out_though_the_disk_fails(node: served.Node, tmp_path: Path) -> None:
    folder = tmp_path / "blocks"
    template = _template(node)
    block = build_block(template)
    with sending([Node(node.url, "a")], folder) as (sender, told):
        folder.rmdir()
        sender.submit(hash_of(block), template["height"], block.encode())
        told.until(Outcome.ACCEPTED, "a")


@pytest.mark.parametrize("step", ["write", "sync"])
def test_a_disk_that_hangs_keeps_a_block_from_no_node(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = threading.Event()
    as_it_was = getattr(BlockJournal, step)

    def hang(journal: BlockJournal, block: FoundBlock) -> None:
        mended.wait(LIMIT_S)
        as_it_was(journal, block)

    monkeypatch.setattr(BlockJournal, step, hang)
    with NodeThatSaysOfBlocks() as served_node:
        served_node.results = ["inconclusive"]
        with sending([Node(served_node.url, "a")], tmp_path) as (sender, told):
            sender.submit("ab" * 32, 100, b"00")
            told.until(Outcome.INCONCLUSIVE, "a")
            mended.set()
            _wait_for(lambda: any(tmp_path.glob("*.json")) and not sender.waiting())
        assert served_node.calls.count("submitblock") == 1


def test_the_same_block_twice_is_sent_once(tmp_path: Path) -> None:
    with NodeThatSaysOfBlocks() as served_node:
        served_node.results = ["inconclusive"]
        with sending([Node(served_node.url, "a")], tmp_path) as (sender, told):
            for _ in range(3):
                sender.submit("ab" * 32, 100, b"00")
            told.until(Outcome.INCONCLUSIVE, "a")
            sender.submit("cd" * 32, 100, b"00")
            _wait_for(lambda: served_node.calls.count("submitblock") == 2)


def test_b16_our_second_block_of_a_height_is_not_preferred_over_our_first(tmp_path: Path) -> None:
    with NodeThatSaysOfBlocks() as served_node:
        served_node.results = ["inconclusive"]
        with sending([Node(served_node.url, "a")], tmp_path) as (sender, told):
            sender.submit("ab" * 32, 100, b"00")
            told.until(Outcome.INCONCLUSIVE, "a")
            told.all.clear()
            sender.submit("cd" * 32, 100, b"00")
            told.until(Outcome.INCONCLUSIVE, "a")
        assert served_node.calls.count("preciousblock") == 1


def test_a_full_queue_is_a_fault_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "BLOCKS_WAITING_MAX", 2)
    sender = BlockSender([], tmp_path, SystemClock(), lambda *_: None)
    sender.submit("01" * 32, 1, b"00")
    sender.submit("02" * 32, 1, b"00")
    with pytest.raises(BlockQueueFullError, match="KENCH_DATA"):
        sender.submit("03" * 32, 1, b"00")
    assert sender.waiting() == sender.following() == 2


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (None, Outcome.ACCEPTED),
        ("duplicate", Outcome.DUPLICATE),
        ("inconclusive", Outcome.INCONCLUSIVE),
        ("duplicate-invalid", Outcome.DUPLICATE_INVALID),
        ("duplicate-inconclusive", Outcome.DUPLICATE_INCONCLUSIVE),
        ("high-hash", Outcome.REJECTED),
        ("bad-version(0x00000001)", Outcome.REJECTED),
        ("a reason of the future", Outcome.REJECTED),
        (7, Outcome.REJECTED),
    ],
)
def test_b14_result_strings_are_understood(result: Any, outcome: Outcome) -> None:
    assert outcome_of_result(result)[0] is outcome


def test_b14_errors_of_submitblock_are_alarms() -> None:
    for code, outcome in ((-22, Outcome.UNDECODABLE), (-25, Outcome.UNVERIFIABLE)):
        assert outcome_of_error(NodeError("a", "submitblock", code, "words"))[0] is outcome
        assert outcome.is_alarm


@pytest.mark.parametrize("outcome", list(Outcome))
def test_no_outcome_is_both_taken_and_refused(outcome: Outcome) -> None:
    assert not (outcome.is_taken and outcome.is_refused)
    assert not (outcome.is_end and outcome.is_taken)
