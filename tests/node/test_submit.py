"""submitblock and proposals answer alike on `kench node` and on Core (B14, B20)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.blocks import (
    ANYONE_SCRIPT,
    Coinbase,
    build_block,
    hash_of,
    merkle_root,
    on_parent,
    serialized,
    sha256d,
)
from tests.support.nodes import Node, RpcFaultError

Template = dict[str, Any]


def _other_transaction(outpoint: bytes) -> tuple[bytes, bytes]:
    raw = serialized([(outpoint, b"", 0xFFFFFFFF)], [(1, ANYONE_SCRIPT)])
    return raw, sha256d(raw)


def _second_coinbase(template: Template) -> str:
    raw = Coinbase(extranonce=7).stripped(template)
    return build_block(template, transactions=[(raw, sha256d(raw))])


def _doubled(template: Template) -> str:
    """Two equal transactions at the end, which leave the root as one would (CVE-2012-2459)."""
    one = _other_transaction(bytes(31) + b"\x01" + bytes(4))
    two = _other_transaction(bytes(31) + b"\x02" + bytes(4))
    coinbase = sha256d(Coinbase().stripped(template))
    root = merkle_root([coinbase, one[1], two[1]])
    return build_block(template, transactions=[one, two, two], root=root)


WRONG: dict[str, Callable[[Template], str]] = {
    "bad-txnmrklroot": lambda t: build_block(t, root=bytes(32)),
    "bad-txns-duplicate": _doubled,
    "bad-cb-missing": lambda t: build_block(t, outpoint=bytes(36)),
    "bad-cb-multiple": _second_coinbase,
    "bad-cb-length": lambda t: build_block(t, script_sig=bytes(101)),
    "bad-txns-vout-empty": lambda t: build_block(t, outputs=[], witness=()),
    "bad-diffbits": lambda t: build_block(t, bits="207ffffe"),
    "time-too-old": lambda t: build_block(t, time_s=t["mintime"] - 1),
    "time-too-new": lambda t: build_block(t, time_s=t["curtime"] + 2 * 60 * 60 + 60),
    "bad-version(0x00000003)": lambda t: build_block(t, version=3),
    "bad-txns-nonfinal": lambda t: build_block(t, locktime=t["height"], sequence=0),
    "bad-cb-height": lambda t: build_block(t, height=t["height"] + 1),
    "bad-witness-nonce-size": lambda t: build_block(t, witness=(bytes(31),)),
    "bad-witness-merkle-match": lambda t: build_block(t, witness=(b"\x01" * 32,)),
    "unexpected-witness": lambda t: build_block(t, commitment=b""),
    "bad-cb-amount": lambda t: build_block(t, amount_sat=t["coinbasevalue"] + 1),
}


@pytest.fixture
def template(node: Node) -> Template:
    return node.rpc.template()


@pytest.fixture(autouse=True)
def _a_wrong_block_changes_nothing(node: Node, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test submits, the node still serves templates afterwards."""
    yield
    assert node.rpc.template()["previousblockhash"] == node.rpc.call("getbestblockhash")


def _propose(node: Node, raw: str) -> Any:
    return node.rpc.call("getblocktemplate", {"mode": "proposal", "data": raw, "rules": ["segwit"]})


@pytest.mark.parametrize("reason", WRONG)
def test_b14_a_wrong_block_is_refused_with_cores_word(
    node: Node, template: Template, reason: str
) -> None:
    raw = WRONG[reason](template)
    assert node.rpc.call("submitblock", raw) == reason
    assert node.rpc.call("getbestblockhash") == template["previousblockhash"]


@pytest.mark.parametrize("reason", WRONG)
def test_b20_a_wrong_proposal_is_refused_with_cores_word(
    node: Node, template: Template, reason: str
) -> None:
    # Another block than the one submitted: a known one is answered for being known.
    raw = WRONG[reason]({**template, "curtime": template["curtime"] + 1})
    assert _propose(node, raw) == reason


def test_b20_a_right_proposal_needs_no_work_and_leaves_no_trace(
    node: Node, template: Template
) -> None:
    raw = build_block(template, extranonce=20, meets_target=False)
    assert _propose(node, raw) is None
    assert node.rpc.call("getbestblockhash") == template["previousblockhash"]
    with pytest.raises(RpcFaultError, match="Block not found"):
        node.rpc.call("getblockheader", hash_of(raw))


def test_b20_a_proposal_on_another_block_is_inconclusive(node: Node, template: Template) -> None:
    parent = node.rpc.call("getblockheader", node.rpc.call("getblockhash", 3))
    raw = build_block(on_parent(template, parent), extranonce=21)
    assert _propose(node, raw) == "inconclusive-not-best-prevblk"


def test_b20_a_proposal_of_a_known_block_says_so(node: Node) -> None:
    raw = node.rpc.call("getblock", node.rpc.call("getbestblockhash"), 0)
    assert _propose(node, raw) == "duplicate"


def test_a_block_without_enough_work_is_high_hash(node: Node, template: Template) -> None:
    assert node.rpc.call("submitblock", build_block(template, meets_target=False)) == "high-hash"


def test_a_right_block_is_taken_once_and_is_then_a_duplicate(
    node: Node, template: Template
) -> None:
    raw = build_block(template, extranonce=1)
    assert node.rpc.call("submitblock", raw) is None
    assert node.rpc.call("getbestblockhash") == hash_of(raw)
    assert node.rpc.call("submitblock", raw) == "duplicate"


def test_b13_a_missing_coinbase_witness_is_added(node: Node, template: Template) -> None:
    raw = build_block(template, extranonce=2, witness=())
    assert node.rpc.call("submitblock", raw) is None
    stored = node.rpc.call("getblock", hash_of(raw), 0)
    assert stored == build_block(template, extranonce=2)


def test_a_refused_block_is_known_as_invalid_and_so_is_its_child(
    node: Node, template: Template
) -> None:
    raw = build_block(template, extranonce=3, amount_sat=template["coinbasevalue"] + 5)
    assert node.rpc.call("submitblock", raw) == "bad-cb-amount"
    assert node.rpc.call("submitblock", raw) == "duplicate-invalid"
    assert _propose(node, raw) == "duplicate-invalid"
    parent = node.rpc.call("getblockheader", hash_of(raw))
    assert parent["confirmations"] == -1
    child = build_block(on_parent(template, parent), extranonce=4)
    assert node.rpc.call("submitblock", child) == "bad-prevblk"


def test_a_block_on_an_unknown_one_is_prev_blk_not_found(node: Node, template: Template) -> None:
    raw = build_block(template, previous="11" * 32)
    assert node.rpc.call("submitblock", raw) == "prev-blk-not-found"


def test_a_side_branch_is_inconclusive_until_it_has_more_work(
    node: Node, template: Template
) -> None:
    ours = build_block(template, extranonce=5)
    theirs = build_block(template, extranonce=6)
    assert node.rpc.call("submitblock", ours) is None
    assert node.rpc.call("submitblock", theirs) == "inconclusive"
    assert node.rpc.call("submitblock", theirs) == "duplicate"
    side = node.rpc.call("getblockheader", hash_of(theirs))
    assert side["confirmations"] == -1
    assert _propose(node, theirs) == "duplicate-inconclusive"
    longer = build_block(on_parent(template, side), extranonce=7)
    assert node.rpc.call("submitblock", longer) is None
    assert node.rpc.call("getbestblockhash") == hash_of(longer)
    assert node.rpc.call("getblockheader", hash_of(ours))["confirmations"] == -1
    assert node.rpc.call("getblockheader", hash_of(theirs))["confirmations"] == 2


@pytest.mark.parametrize("data", ["", "00", "xyz", "ab" * 79, "ab" * 300])
def test_what_is_no_block_is_error_22(node: Node, data: str) -> None:
    with pytest.raises(RpcFaultError, match="Block decode failed") as submitted:
        node.rpc.call("submitblock", data)
    with pytest.raises(RpcFaultError, match="Block decode failed") as proposed:
        _propose(node, data)
    assert submitted.value.code == proposed.value.code == -22


def test_a_proposal_without_data_is_a_type_error(node: Node) -> None:
    with pytest.raises(RpcFaultError, match="Missing data String key for proposal") as fault:
        node.rpc.call("getblocktemplate", {"mode": "proposal", "rules": ["segwit"]})
    assert fault.value.code == -3
