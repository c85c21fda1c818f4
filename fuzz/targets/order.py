"""Whatever an order's document says: it is read into rules that hold, or refused by name.

Inputs are choices: which values of a whole order are left out, doubled or made odd.
"""

import json
from typing import Any

from fuzz.source import Source
from kench.pool.orders.book import OrderBook, OrderRefusedError
from kench.pool.orders.changes import changes, warnings
from kench.pool.orders.document import InvalidOrderError, read_document
from tests.support.orders import DEMO_RULES, content_of

EXECUTIONS = 30
LENGTH_MAX = 200
CHANGES_MAX = 4
_ODD = (
    "null", "true", "0", "-1", "1", "1.0", "1e9", "NaN", "-Infinity", "9" * 5000, '""', '"0"',
    '"\\u0000"', '"\\ud800"', '" x"', '"paper"', '"regtest"', '"main"', '"pplns"', "[]", "[[]]",
    "{}", '"2026-12-01"', '"2026-02-30"', '"9999-12-31"', '"2026-12-01T00:00:00+06:00"',
    '"2199-12-31T23:59:60Z"', '"2000-01-01T00:00:00-23:59"', "2147483647", "2147483648",
    "1000000", "1000001", "10000", "9223372036854775807", '{"a":1,"a":2}', '"\xff"',
)  # fmt: skip


def check(data: bytes) -> None:
    """Hold the document to the invariant."""
    source = Source(data)
    content = _written(source, content_of(1, DEMO_RULES)).encode("latin-1" if source.below(2) else
                                                                 "utf-8")  # fmt: skip
    try:
        document = read_document(content)
        book = OrderBook.of([document])
    except (InvalidOrderError, OrderRefusedError):
        return
    assert read_document(content) == document
    for section, rule in document.rules.held().items():
        found = book.in_force(section, document.effective(section))
        assert found is not None
        assert (found.order, found.rule) == (1, rule)
    assert len(changes(OrderBook(), document)) == len(document.rules.held())
    assert isinstance(warnings(OrderBook(), document), list)
    weights = [one.weight for one in document.rules.venues or ()]
    assert all(type(weight) is int and weight > 0 for weight in weights)


def _written(source: Source, order: Any) -> str:
    """Write it with up to so many values odd."""
    paths = list(_paths(order))
    odd = {source.pick(paths): source.byte() for _ in range(source.below(CHANGES_MAX + 1))}
    return _text(order, (), odd)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    pairs = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    return [path] * bool(path) + [
        one for key, inner in pairs for one in _paths(inner, (*path, key))
    ]


def _text(value: Any, path: tuple[str | int, ...], odd: dict[tuple[str | int, ...], int]) -> str:
    if path in odd and odd[path] < 200:
        return _ODD[odd[path] % len(_ODD)]
    if isinstance(value, dict):
        members = []
        for key, inner in value.items():
            at = (*path, key)
            member = f"{json.dumps(key)}:{_text(inner, at, odd)}"
            # From 200 on a member is left out, or stands there twice.
            members += [member] * ((odd[at] % 2) * 2 if odd.get(at, 0) >= 200 else 1)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(one, (*path, i), odd) for i, one in enumerate(value)) + "]"
    return json.dumps(value)
