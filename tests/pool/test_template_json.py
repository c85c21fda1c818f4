import json
import lzma
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kench.pool.rpc_json import decode_json
from kench.pool.template import Template
from kench.pool.template_json import decode_template_answer
from tests.support.answers import RESULT_KEYS, TRANSACTION_KEYS, asked_of

VECTORS = Path(__file__).parents[1] / "vectors"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ENTRY = st.dictionaries(st.sampled_from(TRANSACTION_KEYS) | st.text(), JSON)
RESULT = st.fixed_dictionaries(
    {},
    optional={**dict.fromkeys([*RESULT_KEYS, "x"], JSON), "transactions": st.lists(ENTRY) | JSON},
)
ANSWER = st.fixed_dictionaries({}, optional={"result": RESULT | JSON, "error": JSON, "id": JSON})


class Watched(Mapping[str, Any]):
    """An object of JSON that remembers what it was asked for."""

    def __init__(self, content: dict[str, Any], asked: set[str]) -> None:
        self._content = content
        self._asked = asked

    def __getitem__(self, key: str) -> Any:
        self._asked.add(key)
        return self._content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)


def recorded() -> bytes:
    content = lzma.decompress((VECTORS / "getblocktemplate-regtest-3101tx.json.xz").read_bytes())
    return b'{"result":' + content + b',"error":null,"id":1}'


def test_a_recorded_template_of_3101_transactions_is_the_same_template() -> None:
    body = recorded()
    fast, whole = decode_template_answer(body)["result"], decode_json(body)["result"]
    assert fast == asked_of({"result": whole})["result"]
    assert Template.parse(fast) == Template.parse(whole)


def test_every_key_that_a_template_is_made_of_is_read() -> None:
    whole = decode_json(recorded())["result"]
    asked, of_transactions = set[str](), set[str]()
    entries = [Watched(entry, of_transactions) for entry in whole["transactions"]]
    Template.parse(Watched({**whole, "transactions": entries}, asked))
    assert asked == set(RESULT_KEYS)
    assert of_transactions == set(TRANSACTION_KEYS)


@given(ANSWER | JSON)
def test_of_any_answer_all_that_is_asked_for_reads_the_same(answer: Any) -> None:
    for body in (json.dumps(answer), json.dumps(answer, indent=2, ensure_ascii=False)):
        encoded = body.encode(errors="surrogatepass")
        try:
            whole = decode_json(encoded)
        except ValueError:  # a lone surrogate is no UTF-8
            continue
        assert repr(asked_of(decode_template_answer(encoded))) == repr(asked_of(whole))


@given(st.binary())
@example(b'{"":0,"":[]}')
def test_of_what_is_no_json_nothing_is_read(body: bytes) -> None:
    try:
        read = decode_json(body)
        # Of an object, what nobody asks for is left out.
        expected = repr(read if not isinstance(read, dict) else {})
    except ValueError:
        expected = "refused"
    try:
        found = repr(decode_template_answer(body))
    except ValueError:
        found = "refused"
    assert found == expected


def test_numbers_with_a_point_are_exact() -> None:
    answer = decode_template_answer(b'{"result":{"height":0.00000001}}')
    assert answer["result"]["height"] == Decimal("0.00000001")


@pytest.mark.parametrize("number", [b"1e101", b"-1E+999999999", b"NaN"])
def test_a_number_beyond_all_amounts_is_no_json(number: bytes) -> None:
    with pytest.raises(ValueError, match="number"):
        decode_template_answer(b'{"result":{"height":%b}}' % number)


@pytest.mark.parametrize(
    "answer", [{"result": None, "error": {"code": -9, "message": "no"}}, {"result": "duplicate"}]
)
def test_an_answer_without_a_template_is_read_whole(answer: dict[str, Any]) -> None:
    assert decode_template_answer(json.dumps(answer).encode()) == answer


@pytest.mark.parametrize(
    "cut",
    [
        b'{"result":{"transactions":[',
        b'{"result":{"transactions":[{}',
        b'{"result":{"transactions":[{}]',
    ],
)
def test_a_cut_answer_is_refused(cut: bytes) -> None:
    with pytest.raises(ValueError, match="line 1"):
        decode_template_answer(cut)


def test_json_nested_without_end_is_refused() -> None:
    with pytest.raises(RecursionError):
        decode_template_answer(b'{"result":{"rules":' + b"[" * 100_000 + b"]" * 100_000 + b"}}")
