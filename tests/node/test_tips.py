"""A new tip is told by long poll and ZMQ; branches change places as on Core (B4, B6, B16)."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import zmq

from tests.node.conftest import ADDRESS
from tests.support.blocks import build_block, hash_of, on_parent
from tests.support.nodes import Node

LIMIT_S = 20.0


@pytest.fixture
def subscriber(node: Node) -> Iterator[zmq.Socket[bytes]]:
    """Subscriber that surely hears what comes."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.RCVTIMEO, int(LIMIT_S * 1000))
        socket.setsockopt(zmq.LINGER, 0)
        socket.subscribe(b"hashblock")
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        socket.connect(node.zmq_endpoint)
        assert monitor.poll(int(LIMIT_S * 1000))
        socket.disable_monitor()
        monitor.close()
        # Joined, but the subscription may still be on its way: mine until a block is heard.
        socket.setsockopt(zmq.RCVTIMEO, 200)
        for _ in range(20):
            mined = node.rpc.call("generatetoaddress", 1, ADDRESS)[0]
            try:
                while socket.recv_multipart()[1].hex() != mined:
                    pass
            except zmq.Again:
                continue
            break
        socket.setsockopt(zmq.RCVTIMEO, int(LIMIT_S * 1000))
        yield socket


def _longpoll(node: Node, longpollid: str, asked: threading.Event) -> dict[str, Any]:
    with closing(node.rpc.another(LIMIT_S)) as rpc:
        rpc.call("getblockcount")
        asked.set()
        return rpc.template(longpollid=longpollid)


def test_b4_a_long_poll_is_answered_when_the_tip_changes(node: Node) -> None:
    asked = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        longpollid = node.rpc.template()["longpollid"]
        answer: Future[dict[str, Any]] = pool.submit(_longpoll, node, longpollid, asked)
        assert asked.wait(LIMIT_S)
        with pytest.raises(TimeoutError):
            answer.result(0.3)
        mined = node.rpc.call("generatetoaddress", 1, ADDRESS)[0]
        template = answer.result(LIMIT_S)
    assert template["previousblockhash"] == mined
    assert template["longpollid"] != longpollid


def test_b4_a_long_poll_for_an_old_tip_is_answered_at_once(node: Node) -> None:
    longpollid = node.rpc.template()["longpollid"]
    mined = node.rpc.call("generatetoaddress", 1, ADDRESS)[0]
    with closing(node.rpc.another(5.0)) as rpc:
        assert rpc.template(longpollid=longpollid)["previousblockhash"] == mined


def test_b6_each_new_tip_is_published_in_order_and_numbered(
    node: Node, subscriber: zmq.Socket[bytes]
) -> None:
    hashes = node.rpc.call("generatetoaddress", 5, ADDRESS)
    messages = [subscriber.recv_multipart() for _ in hashes]
    assert [message[0] for message in messages] == [b"hashblock"] * 5
    assert [message[1].hex() for message in messages] == hashes
    numbers = [int.from_bytes(message[2], "little") for message in messages]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert all(len(message[2]) == 4 for message in messages)


def test_b6_a_block_of_a_losing_branch_is_not_published(
    node: Node, subscriber: zmq.Socket[bytes]
) -> None:
    template = node.rpc.template()
    ours, theirs = (build_block(template, extranonce=i) for i in (1, 2))
    assert node.rpc.call("submitblock", ours) is None
    assert node.rpc.call("submitblock", theirs) == "inconclusive"
    side = node.rpc.call("getblockheader", hash_of(theirs))
    longer = build_block(on_parent(template, side), extranonce=3)
    assert node.rpc.call("submitblock", longer) is None
    heard = [subscriber.recv_multipart()[1].hex() for _ in range(2)]
    assert heard == [hash_of(ours), hash_of(longer)]


def test_invalidateblock_takes_a_branch_off_and_reconsiderblock_puts_it_back(node: Node) -> None:
    base = node.rpc.call("getbestblockhash")
    hashes = node.rpc.call("generatetoaddress", 4, ADDRESS)
    raw = node.rpc.call("getblock", hashes[0], 0)
    assert node.rpc.call("invalidateblock", hashes[0]) is None
    assert node.rpc.call("getbestblockhash") == base
    assert node.rpc.template()["previousblockhash"] == base
    for block_hash in hashes:
        assert node.rpc.call("getblockheader", block_hash)["confirmations"] == -1
    assert node.rpc.call("getblock", hashes[0], 0) == raw
    assert node.rpc.call("submitblock", raw) == "duplicate-invalid"
    # Not mined by the node: Core would make the block called invalid again.
    other_raw = build_block(node.rpc.template(), extranonce=10)
    assert node.rpc.call("submitblock", other_raw) is None
    other = hash_of(other_raw)
    assert node.rpc.call("getblockheader", other)["confirmations"] == 1
    assert node.rpc.call("reconsiderblock", hashes[0]) is None
    assert node.rpc.call("getbestblockhash") == hashes[-1]
    assert node.rpc.call("getblockheader", other)["confirmations"] == -1


def test_a_long_poll_ends_when_the_tip_is_invalidated(node: Node) -> None:
    base = node.rpc.call("getbestblockhash")
    mined = node.rpc.call("generatetoaddress", 1, ADDRESS)[0]
    asked = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_longpoll, node, node.rpc.template()["longpollid"], asked)
        assert asked.wait(LIMIT_S)
        node.rpc.call("invalidateblock", mined)
        assert answer.result(LIMIT_S)["previousblockhash"] == base


def test_b16_preciousblock_prefers_a_block_of_equal_work(node: Node) -> None:
    template = node.rpc.template()
    ours, theirs = (build_block(template, extranonce=i) for i in (11, 12))
    node.rpc.call("submitblock", theirs)
    assert node.rpc.call("submitblock", ours) == "inconclusive"
    assert node.rpc.call("preciousblock", hash_of(ours)) is None
    assert node.rpc.call("getbestblockhash") == hash_of(ours)
    assert node.rpc.call("preciousblock", hash_of(ours)) is None
    assert node.rpc.call("getbestblockhash") == hash_of(ours)


def test_b16_preciousblock_leaves_a_branch_of_less_work_alone(node: Node) -> None:
    template = node.rpc.template()
    raw = build_block(template, extranonce=13)
    hashes = node.rpc.call("generatetoaddress", 2, ADDRESS)
    assert node.rpc.call("submitblock", raw) == "inconclusive"
    assert node.rpc.call("preciousblock", hash_of(raw)) is None
    assert node.rpc.call("getbestblockhash") == hashes[-1]


def test_the_only_deployment_passes_its_states_as_on_core(node: Node) -> None:
    seen = {}
    for height in (143, 144, 287, 288, 431, 432, 433):
        missing = height - node.rpc.call("getblockcount")
        if missing > 0:
            node.rpc.call("generatetoaddress", missing - 1, ADDRESS)
        template = node.rpc.template()
        if template["height"] == height:
            active = "testdummy" in template["rules"]
            seen[height] = (template["version"], template["vbavailable"], active)
    quiet, signalling = 0x20000000, 0x30000000
    expected = {
        143: (quiet, {}, False),
        144: (signalling, {"testdummy": 28}, False),
        287: (signalling, {"testdummy": 28}, False),
        288: (signalling, {"testdummy": 28}, False),
        431: (signalling, {"testdummy": 28}, False),
        432: (quiet, {}, True),
        433: (quiet, {}, True),
    }
    assert seen == expected


def test_the_reward_halves_every_150_blocks_as_on_core(node: Node) -> None:
    for height in (599, 600, 601):
        missing = height - 1 - node.rpc.call("getblockcount")
        node.rpc.call("generatetoaddress", missing, ADDRESS)
        template = node.rpc.template()
        assert template["height"] == height
        assert template["coinbasevalue"] == 50 * 100_000_000 >> height // 150
        raw = build_block(template, extranonce=height)
        assert node.rpc.call("submitblock", raw) is None


def test_questions_asked_while_the_chain_changes_are_all_answered(node: Node) -> None:
    stop = threading.Event()

    def ask() -> int:
        asked = 0
        with closing(node.rpc.another()) as rpc:
            while not stop.is_set() and asked < 100_000:
                tip = rpc.call("getblockchaininfo")["bestblockhash"]
                header = rpc.call("getblockheader", tip)
                assert header["confirmations"] != 0
                assert rpc.call("getblock", tip, 1)["tx"] == [header["merkleroot"]]
                assert rpc.template()["height"] >= 1
                asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask) for _ in range(4)]
        for i in range(10):
            raw = build_block(node.rpc.template(), extranonce=5000 + i)
            assert node.rpc.call("submitblock", raw) is None
            if i % 3 == 0:
                node.rpc.call("invalidateblock", hash_of(raw))
        stop.set()
        assert all(asker.result(LIMIT_S) for asker in askers)
