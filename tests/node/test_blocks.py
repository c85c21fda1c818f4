"""Blocks and transactions are read apart as they were put together."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.node.blocks import (
    Reader,
    committed_script,
    read_block,
    read_transaction,
    tree_root,
    with_coinbase_witness,
    witness_commitment,
)
from tests.support import blocks as built

RECORDED = Path(__file__).parents[1] / "vectors/getblocktemplate-regtest-3101tx.json.xz"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(lzma.decompress(RECORDED.read_bytes()))
    return answer


def test_the_recorded_transactions_have_the_ids_and_weights_that_core_gave(
    template: dict[str, Any],
) -> None:
    for entry in template["transactions"]:
        raw = bytes.fromhex(entry["data"])
        reader = Reader(raw)
        transaction = read_transaction(reader)
        assert reader.position == len(raw)
        assert transaction.raw == raw
        assert transaction.txid_le[::-1].hex() == entry["txid"]
        assert transaction.wtxid_le[::-1].hex() == entry["hash"]
        assert transaction.weight == entry["weight"]
        assert transaction.has_witness == (entry["txid"] != entry["hash"])
        assert not transaction.is_coinbase


def test_the_recorded_commitment_is_that_of_its_transactions(template: dict[str, Any]) -> None:
    wtxids = [bytes.fromhex(entry["hash"])[::-1] for entry in template["transactions"]]
    assert witness_commitment(wtxids).hex() == template["default_witness_commitment"]


def test_a_whole_block_of_the_recorded_template_is_read_apart(template: dict[str, Any]) -> None:
    raw = bytes.fromhex(built.build_block(template))
    block = read_block(raw)
    assert block.size == len(raw)
    assert len(block.transactions) == 1 + len(template["transactions"])
    assert block.transactions[0].is_coinbase
    assert tree_root([one.txid_le for one in block.transactions]) == block.header[36:68]
    commitment = bytes.fromhex(template["default_witness_commitment"])
    assert committed_script(block.transactions[0]) == commitment


def test_a_coinbase_that_commits_gets_the_witness_it_lacks(template: dict[str, Any]) -> None:
    bare = bytes.fromhex(built.build_block(template, witness=()))
    whole = bytes.fromhex(built.build_block(template))
    assert with_coinbase_witness(bare) == whole
    assert with_coinbase_witness(whole) == whole


def test_a_coinbase_that_commits_to_nothing_is_left_alone(template: dict[str, Any]) -> None:
    raw = bytes.fromhex(built.build_block(template, witness=(), commitment=b"", transactions=[]))
    assert with_coinbase_witness(raw) == raw


def test_the_last_of_several_commitments_counts() -> None:
    first, last = (built.EMPTY_COMMITMENT[:6] + bytes([i]) * 32 for i in (1, 2))
    outputs = [(0, first), (0, last), (5, b"\x51")]
    raw = built.serialized([(built.NULL_OUTPOINT, b"\x51\x00", 0)], outputs)
    assert committed_script(read_transaction(Reader(raw))) == last


inputs = st.tuples(
    st.binary(min_size=36, max_size=36), st.binary(max_size=300), st.integers(0, 2**32 - 1)
)
outputs = st.tuples(st.integers(0, 2**63), st.binary(max_size=300))


@given(st.lists(inputs, min_size=1, max_size=4), st.lists(outputs, max_size=4), st.binary())
def test_any_transaction_is_read_back(
    ins: list[tuple[bytes, bytes, int]], outs: list[tuple[int, bytes]], rest: bytes
) -> None:
    raw = built.serialized(ins, outs, locktime=7)
    transaction = read_transaction(Reader(raw + rest))
    assert transaction.raw == transaction.stripped == raw
    assert [(one.outpoint, one.script_sig, one.sequence) for one in transaction.inputs] == ins
    assert [(one.amount_sat, one.script) for one in transaction.outputs] == outs
    assert transaction.locktime == 7


@given(inputs, st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_any_witness_is_read_back(one: tuple[bytes, bytes, int], stack: list[bytes]) -> None:
    stripped = built.serialized([one], [(1, b"\x51")])
    transaction = read_transaction(Reader(built.with_witness(stripped, stack)))
    assert transaction.stripped == stripped
    assert list(transaction.inputs[0].witness) == stack


@given(st.binary(max_size=120))
def test_bytes_that_are_no_block_raise_value_error_or_are_read(raw: bytes) -> None:
    try:
        read_block(raw)
    except ValueError:
        return
    assert len(raw) > 80


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20))
def test_the_tree_is_the_plain_one(hashes: list[bytes]) -> None:
    assert tree_root(hashes) == built.merkle_root(hashes)
