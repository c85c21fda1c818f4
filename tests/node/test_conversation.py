"""The same questions to `kench node` and to Core have answers of the same shape and meaning."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from tests.node.conftest import ADDRESS
from tests.support.blocks import build_block, hash_of
from tests.support.nodes import Node, RpcFaultError

VECTORS = Path(__file__).parents[1] / "vectors"
SCRIPT_HEX = "0014" + "00" * 20
HEADER_KEYS = {
    "hash": str,
    "confirmations": int,
    "height": int,
    "version": int,
    "versionHex": str,
    "merkleroot": str,
    "time": int,
    "mediantime": int,
    "nonce": int,
    "bits": str,
    "difficulty": float,
    "chainwork": str,
    "nTx": int,
    "previousblockhash": str,
}
BLOCK_KEYS = {**HEADER_KEYS, "strippedsize": int, "size": int, "weight": int, "tx": list}
CHAIN_KEYS = {
    "chain": str,
    "blocks": int,
    "headers": int,
    "bestblockhash": str,
    "difficulty": float,
    "time": int,
    "mediantime": int,
    "verificationprogress": (int, float),
    "initialblockdownload": bool,
    "chainwork": str,
    "size_on_disk": int,
    "pruned": bool,
    "warnings": list,
}
NETWORK_KEYS = {
    "version": int,
    "subversion": str,
    "protocolversion": int,
    "localservices": str,
    "connections": int,
    "networkactive": bool,
    "networks": list,
    "relayfee": float,
    "warnings": list,
}


def _has_shape(answer: dict[str, Any], keys: dict[str, Any]) -> bool:
    return all(isinstance(answer[key], kind) for key, kind in keys.items())


def _recorded(name: str) -> dict[str, Any]:
    raw = (VECTORS / name).read_bytes()
    answer: dict[str, Any] = json.loads(lzma.decompress(raw) if name.endswith(".xz") else raw)
    return answer


@pytest.mark.parametrize(
    "name", ["getblocktemplate-testnet4-empty.json", "getblocktemplate-regtest-3101tx.json.xz"]
)
def test_b3_a_template_has_the_keys_and_types_of_the_recorded_one(node: Node, name: str) -> None:
    recorded, template = _recorded(name), node.rpc.template()
    assert list(template) == list(recorded)
    assert {key: type(value) for key, value in template.items()} == {
        key: type(value) for key, value in recorded.items()
    }
    constant = [
        "capabilities", "coinbaseaux", "mutable", "noncerange", "sigoplimit", "sizelimit",
        "vbrequired", "weightlimit",
    ]  # fmt: skip
    assert [template[key] for key in constant] == [recorded[key] for key in constant]


def test_b3_a_template_builds_on_the_tip_and_its_block_is_taken(node: Node) -> None:
    template = node.rpc.template()
    tip = node.rpc.call("getblockheader", node.rpc.call("getbestblockhash"))
    assert template["previousblockhash"] == tip["hash"]
    assert template["height"] == tip["height"] + 1
    assert template["mintime"] == tip["mediantime"] + 1
    assert template["curtime"] >= template["mintime"]
    assert template["longpollid"].startswith(tip["hash"])
    assert template["target"] == "7fffff" + "0" * 58
    raw = build_block(template, extranonce=100)
    assert node.rpc.call("submitblock", raw) is None
    assert node.rpc.call("getbestblockhash") == hash_of(raw)


def test_b1_a_template_without_the_segwit_rule_is_error_8(node: Node) -> None:
    for request in ({}, {"rules": []}, {"rules": ["csv"]}):
        with pytest.raises(RpcFaultError, match="must be called with the segwit rule set") as fault:
            node.rpc.call("getblocktemplate", request)
        assert fault.value.code == -8


def test_an_unknown_mode_is_error_8(node: Node) -> None:
    for mode in ("nonsense", 5):
        with pytest.raises(RpcFaultError, match="Invalid mode") as fault:
            node.rpc.call("getblocktemplate", {"mode": mode, "rules": ["segwit"]})
        assert fault.value.code == -8


def test_the_chain_is_described_alike(node: Node) -> None:
    answer = node.rpc.call("getblockchaininfo")
    assert _has_shape(answer, CHAIN_KEYS)
    assert answer["chain"] == "regtest"
    assert answer["bestblockhash"] == node.rpc.call("getbestblockhash")
    assert answer["blocks"] == answer["headers"] == node.rpc.call("getblockcount")
    assert int(answer["chainwork"], 16) == 2 * (answer["blocks"] + 1)
    assert answer["difficulty"] == 4.656542373906925e-10
    assert not answer["initialblockdownload"]


def test_network_and_mining_are_described_alike(node: Node) -> None:
    network, mining = node.rpc.call("getnetworkinfo"), node.rpc.call("getmininginfo")
    assert _has_shape(network, NETWORK_KEYS)
    assert network["connections"] == 0
    assert network["subversion"].startswith("/Satoshi:")
    assert mining["blocks"] == node.rpc.call("getblockcount")
    assert mining["chain"] == "regtest"
    assert isinstance(node.rpc.call("uptime"), int)


def test_b17_a_header_says_where_its_block_stands(node: Node) -> None:
    count = node.rpc.call("getblockcount")
    hashes = [node.rpc.call("getblockhash", height) for height in (4, 5, 6)]
    header = node.rpc.call("getblockheader", hashes[1])
    assert _has_shape(header, HEADER_KEYS)
    assert header["hash"] == hashes[1]
    assert header["confirmations"] == count - 5 + 1
    assert header["previousblockhash"] == hashes[0]
    assert header["nextblockhash"] == hashes[2]
    assert header["nTx"] == 1
    assert int(header["chainwork"], 16) == 12
    raw = node.rpc.call("getblockheader", hashes[1], False)
    assert hash_of(raw) == hashes[1]
    first = node.rpc.call("getblockheader", node.rpc.call("getblockhash", 0))
    assert "previousblockhash" not in first


def test_a_block_is_shown_at_each_verbosity(node: Node) -> None:
    template = node.rpc.template()
    raw = build_block(template, bytes.fromhex(SCRIPT_HEX), extranonce=101)
    assert node.rpc.call("submitblock", raw) is None
    block_hash = hash_of(raw)
    assert node.rpc.call("getblock", block_hash, 0) == raw
    assert node.rpc.call("getblock", block_hash, False) == raw
    short, whole = (node.rpc.call("getblock", block_hash, verbosity) for verbosity in (1, 2))
    assert _has_shape(short, BLOCK_KEYS)
    assert short["size"] == len(raw) // 2
    assert short["weight"] == short["strippedsize"] * 3 + short["size"]
    assert short["tx"] == [whole["tx"][0]["txid"]] == [short["merkleroot"]]
    coinbase = whole["tx"][0]
    assert coinbase["vin"][0]["sequence"] == 0xFFFFFFFF
    assert coinbase["vin"][0]["txinwitness"] == ["00" * 32]
    assert coinbase["vout"][0]["value"] == template["coinbasevalue"] / 1e8
    assert coinbase["vout"][0]["scriptPubKey"]["hex"] == SCRIPT_HEX
    assert coinbase["vout"][0]["scriptPubKey"]["address"] == ADDRESS
    assert coinbase["vout"][0]["scriptPubKey"]["type"] == "witness_v0_keyhash"
    assert coinbase["vout"][1]["scriptPubKey"]["type"] == "nulldata"
    assert raw.endswith(coinbase["hex"])
    assert node.rpc.call("decoderawtransaction", coinbase.pop("hex")) == coinbase


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        (("getblockhash", 99_999), -8, "Block height out of range"),
        (("getblockhash", -1), -8, "Block height out of range"),
        (("getblockhash", "5"), -3, "is not of expected type number"),
        (("getblockhash",), -1, "getblockhash height"),
        (("getblockcount", 1), -1, "getblockcount"),
        (("getblockheader", "zz"), -8, "hash must be of length 64 (not 2, for 'zz')"),
        (("getblockheader", "z" * 64), -8, "hash must be hexadecimal string (not 'zzz"),
        (("getblockheader", "00" * 32), -5, "Block not found"),
        (("getblock", "00" * 32), -5, "Block not found"),
        (("getblock", 5), -3, "is not of expected type string"),
        (("preciousblock", "00" * 32), -5, "Block not found"),
        (("invalidateblock", "00" * 32), -5, "Block not found"),
        (("submitblock",), -1, "submitblock"),
        (("decoderawtransaction", "0200"), -22, "TX decode failed"),
        (("decoderawtransaction", "zz"), -22, "TX decode failed"),
        (("generatetoaddress", 1, "nobody"), -5, "Error: Invalid address"),
        (("nosuchmethod",), -32601, "Method not found"),
    ],
)
def test_errors_have_cores_codes_and_words(
    node: Node, call: tuple[Any, ...], code: int, words: str
) -> None:
    with pytest.raises(RpcFaultError) as fault:
        node.rpc.call(*call)
    assert fault.value.code == code
    assert words in fault.value.message


def test_blocks_are_mined_to_an_address(node: Node) -> None:
    before = node.rpc.call("getblockcount")
    hashes = node.rpc.call("generatetoaddress", 3, ADDRESS)
    assert [node.rpc.call("getblockhash", before + i) for i in (1, 2, 3)] == hashes
    paid = node.rpc.call("getblock", hashes[0], 2)["tx"][0]["vout"][0]["scriptPubKey"]["hex"]
    assert paid == SCRIPT_HEX


@pytest.mark.parametrize(
    ("address", "script", "is_script", "version"),
    [
        (ADDRESS, SCRIPT_HEX, False, 0),
        ("mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8", "76a914" + "00" * 20 + "88ac", False, None),
        (
            "bcrt1qy5xwp8dnedx4e0hwxssgax0d4vhec0elj6x9a59hjg4me55fkmaswu9akd",
            "0020250ce09db3cb4d5cbeee34208e99edab2f9c3f3f968c5ed0b7922bbcd289b6fb",
            True,
            0,
        ),
    ],
)
def test_an_address_is_explained(
    node: Node, address: str, script: str, is_script: bool, version: int | None
) -> None:
    answer = node.rpc.call("validateaddress", address)
    assert answer["isvalid"] is True
    assert answer["address"] == address
    assert answer["scriptPubKey"] == script
    assert answer["isscript"] is is_script
    assert answer["iswitness"] is (version is not None)
    assert answer.get("witness_version") == version


@pytest.mark.parametrize(
    "address", ["", "nonsense", ADDRESS[:-1] + "q", "1" * 26, "tb1" + "q" * 39]
)
def test_what_is_no_address_is_not_valid(node: Node, address: str) -> None:
    answer = node.rpc.call("validateaddress", address)
    assert answer["isvalid"] is False
    assert isinstance(answer["error"], str)
    assert answer["error"]
    assert "scriptPubKey" not in answer
