import json
import lzma
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool import rpc_json
from kench.pool.rpc_json import decode_json, decode_template_answer

VECTORS = Path(__file__).parents[1] / "vectors"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("transactions"), inner),
    max_leaves=20,
)


def test_numbers_with_a_point_are_exact() -> None:
    assert decode_json(b"0.00000001") == Decimal("0.00000001")


@pytest.mark.parametrize("number", [b"1e101", b"-1E+999999999", b"1e9999999999999999999", b"NaN"])
def test_a_number_beyond_all_amounts_is_no_json(number: bytes) -> None:
    with pytest.raises(ValueError, match="number"):
        decode_json(b'{"headers":%b}' % number)


def test_the_least_and_the_greatest_numbers_of_a_node_are_read() -> None:
    assert decode_json(b"[6.1e+20,1e-999,0e0]") == [Decimal("6.1e20"), Decimal("1e-999"), 0]


def test_a_recorded_template_of_3101_transactions_reads_the_same_in_pieces() -> None:
    recorded = lzma.decompress((VECTORS / "getblocktemplate-regtest-3101tx.json.xz").read_bytes())
    body = b'{"result":' + recorded + b',"error":null,"id":1}'
    assert len(body) > rpc_json.PIECES_FROM_BYTES
    assert decode_template_answer(body) == json.loads(body)


@given(
    st.fixed_dictionaries({"transactions": st.lists(JSON)}, optional={"rules": JSON}),
    JSON,
    st.integers(0, 40),
)
def test_any_answer_reads_the_same_in_pieces(result: dict[str, Any], more: Any, piece: int) -> None:
    for answer in ({"result": result, "id": more}, {"id": more, "result": result}, more):
        for spaced in (json.dumps(answer), json.dumps(answer, indent=2, separators=(",", ":"))):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(rpc_json, "PIECES_FROM_BYTES", 0)
                patch.setattr(rpc_json, "PIECE_CHARACTERS", piece)
                assert decode_template_answer(spaced.encode()) == answer


@pytest.mark.parametrize(
    "transactions",
    [
        [{"a": 1}, {"b": 2}, {"c": 3}],
        [{"a": [{}, {"b": {}}]}, {"c": [[{}], {}]}],
        [{"a": "},{"}, {"b": '"},{"'}, {"c": "}"}],
        [[{}, {}], {"a": {}}, [{}]],
    ],
)
def test_what_looks_like_a_seam_and_is_none_reads_the_same(
    transactions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_json, "PIECES_FROM_BYTES", 0)
    answer = {"result": {"transactions": transactions, "more": [{}, {}]}}
    for spaced in (json.dumps(answer), json.dumps(answer, separators=(",", ":"))):
        for piece in range(60):
            monkeypatch.setattr(rpc_json, "PIECE_CHARACTERS", piece)
            assert decode_template_answer(spaced.encode()) == answer


def test_a_template_is_read_in_pieces_with_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(rpc_json.time, "sleep", pauses.append)
    recorded = lzma.decompress((VECTORS / "getblocktemplate-regtest-3101tx.json.xz").read_bytes())
    decode_template_answer(b'{"result":' + recorded + b"}")
    assert len(pauses) == len(recorded) // rpc_json.PIECE_CHARACTERS


def test_a_key_inside_a_string_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_json, "PIECES_FROM_BYTES", 0)
    answer = {"note": '"transactions":[', "result": {"transactions": ["kench: transactions"]}}
    assert decode_template_answer(json.dumps(answer).encode()) == answer


@pytest.mark.parametrize(
    "cut",
    [
        b'{"result":{"transactions":[',
        b'{"result":{"transactions":[{}',
        b'{"result":{"transactions":[{}]',
    ],
)
def test_a_cut_answer_is_refused(cut: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_json, "PIECES_FROM_BYTES", 0)
    with pytest.raises(ValueError, match="line 1"):
        decode_template_answer(cut)
