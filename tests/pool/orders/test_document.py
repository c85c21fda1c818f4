"""What an order's document may say, and how each mistake in it is named."""

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.address import _segwit_text, burn_address, script_of
from kench.pool.orders.document import (
    DOCUMENT_BYTES_MAX,
    InvalidOrderError,
    canonical,
    read_document,
)
from kench.pool.orders.rules import (
    ApprovedVenue,
    Fee,
    PayoutRule,
    Reward,
    SaleRule,
    ScreeningRule,
    Section,
)
from tests.support.orders import DEMO_RULES, LICENCE, MOMENT_US, content_of

Change = Callable[[dict[str, Any]], object]


def whole() -> dict[str, Any]:
    return copy.deepcopy(content_of(1, DEMO_RULES))


def venues(count: int, kind: str = "P2WSH") -> list[dict[str, Any]]:
    size = 32 if kind == "P2WSH" else 20
    return [
        {"venue": f"v{i}", "address": _segwit_text("bcrt", 0, bytes([i]) * size), "weight": 1}
        for i in range(count)
    ]


def test_a_whole_order_is_read_and_its_bytes_are_kept() -> None:
    content = canonical(whole())
    order = read_document(content)
    assert order.content == content
    assert order.sha256 == hashlib.sha256(content).digest()
    assert (order.number, order.height, order.moment_us) == (1, 1, MOMENT_US)
    address = burn_address("regtest")
    rules = order.rules
    assert rules.reward == Reward("round")
    assert rules.fee == Fee(20_000)
    assert rules.venues == (ApprovedVenue("paper", address, 1, script_of(address, "regtest")),)
    assert rules.screening == ScreeningRule("local", 7500, 5000)
    assert rules.sale == SaleRule(10_000_000, 60, 200, 30, 2500, 5_000_000_000, 10_000, 86_400)
    assert rules.payout == PayoutRule(100_000)
    assert list(rules.held()) == list(Section)


def test_bytes_in_another_layout_are_another_document() -> None:
    loose, tight = canonical(whole()), json.dumps(whole()).encode()
    assert read_document(loose).rules == read_document(tight).rules
    assert read_document(loose).sha256 != read_document(tight).sha256


def test_a_licence_is_in_force_on_its_first_and_its_last_day() -> None:
    (licence,) = read_document(canonical(whole())).rules.licences or ()
    assert licence.from_us == MOMENT_US
    assert not licence.is_in_force(licence.from_us - 1)
    assert licence.is_in_force(licence.from_us)
    assert licence.is_in_force(licence.until_us - 1)
    assert not licence.is_in_force(licence.until_us)
    assert licence.until_us - licence.from_us == 730 * 86_400 * 1_000_000


def put(path: str, value: object) -> Change:
    def change(order: dict[str, Any]) -> None:
        *way, last = path.split(".")
        at: Any = order
        for key in way:
            at = at[int(key) if key.isdigit() else key]
        at[last] = value

    return change


MISTAKES: list[tuple[Change, str]] = [
    (put("kench_order", 2), "kench_order"),
    (put("number", 0), "number"),
    (put("number", True), "number"),
    (put("number", "1"), "number"),
    (put("title", ""), "title"),
    (put("title", "a\nb"), "nobody can see"),
    (put("issued", "1.2.2026"), "issued"),
    (put("issued", "2026-02-30"), "issued"),
    (put("network", "mainnet"), "network must be one of"),
    (put("surprise", 1), "surprise"),
    (put("rules.surprise", 1), "surprise"),
    (put("rules.fee.surprise", 1), "surprise"),
    (put("rules", {}), "no section"),
    (put("effective.height", 0), "height"),
    (put("effective.moment", "2026-12-01T00:00:00"), "moment"),
    (put("effective.moment", "2026-12-01T00:00:00.5+06:00"), "moment"),
    (put("effective.moment", "9999-12-31T23:59:59-23:59"), "moment"),
    (put("effective", {"height": 1}), "needs effective.moment"),
    (lambda o: o["effective"].pop("height"), "needs effective.height"),
    (put("rules", {"fee": {"pool_ppm": 1}}), "effective.moment is there"),
    (put("rules", {"payout": {"threshold_tyiyn": 1}}), "effective.height is there"),
    (put("rules.fee", None), "fee"),
    (put("rules.fee.pool_ppm", 1_000_001), "pool_ppm"),
    (put("rules.fee.pool_ppm", -1), "pool_ppm"),
    (put("rules.reward.method", "solo"), "method"),
    (put("rules.reward", {"method": "pplns"}), "window_ppm"),
    (put("rules.reward", {"method": "round", "window_ppm": 1}), "window_ppm"),
    (put("rules.venues", []), "venues"),
    (put("rules.venues.0.weight", 0), "weight"),
    (put("rules.venues.0.weight", -1), "weight"),
    (put("rules.venues.0.venue", "Paper"), "venue"),
    (put("rules.venues.0.venue", "paper\n"), "venue"),
    (put("rules.venues.0.address", burn_address("main")), "not an address of network regtest"),
    (put("rules.venues.0.address", burn_address("regtest")[:-1] + "q"), "checksum"),
    (put("rules.venues", [*venues(1), *venues(1)]), "one name"),
    (put("rules.venues", [venues(1)[0], venues(1)[0] | {"venue": "w"}]), "one address"),
    (put("rules.venues", venues(14)), "fewer venues"),
    (put("rules.licences.0.until", "2025-12-31"), "ends before it begins"),
    (put("rules.licences.0.from", "soon"), "licences.from"),
    (put("rules.licences", [LICENCE, LICENCE | {"from": "2027-12-31", "number": "2"}]), "overlap"),
    (put("rules.screening.officer_over_bp", 7501), "officer_over_bp"),
    (put("rules.screening.refuse_over_bp", 10_001), "refuse_over_bp"),
    (put("rules.sale.slice_sat", 9_999), "minimum_sat <= slice_sat"),
    (put("rules.sale.daily_cap_sat", 1), "slice_sat <= daily_cap_sat"),
    (lambda o: o["rules"]["sale"].pop("depth_bp"), "depth_bp"),
    (put("rules.payout.threshold_tyiyn", 0), "threshold_tyiyn"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), MISTAKES)
def test_each_mistake_is_refused_by_its_name(change: Change, said: str) -> None:
    order = whole()
    change(order)
    with pytest.raises(InvalidOrderError, match=said):
        read_document(canonical(order))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "JSON"),
        (b"[]", "form"),
        (b'\xff{"a": 1}', "UTF-8"),
        (b"\xef\xbb\xbf" + canonical(whole()), "JSON"),
        (canonical(whole()) + b"{}", "JSON"),
        (canonical(whole()).replace(b'"number": 1,', b'"number": 1, "number": 1,'), "twice"),
        (canonical(whole()).replace(b"20000", b"20000.0"), "whole number"),
        (canonical(whole()).replace(b"20000", b"2e4"), "whole number"),
        (canonical(whole()).replace(b"20000", b"NaN"), "whole number"),
        (canonical(whole()).replace(b"20000", b"9" * 5000), "JSON"),
        (canonical(whole()).replace(b"Order 1", rb"\ud800"), "UTF-8"),
        (canonical(whole()).replace(b"regtest", rb"\udfff"), "UTF-8"),
        (canonical(whole()).replace(b"round", rb"\ud800"), "UTF-8"),
        (b"[" * 60_000, "JSON"),
        (canonical(whole()) + b" " * DOCUMENT_BYTES_MAX, "bytes at most"),
    ],
)
def test_bytes_that_could_be_read_in_two_ways_or_in_none_are_refused(
    content: bytes, said: str
) -> None:
    with pytest.raises(InvalidOrderError, match=said):
        read_document(content)


def test_as_many_venues_as_fit_a_coinbase_are_taken() -> None:
    for count, kind in ((12, "P2WSH"), (17, "P2WPKH")):
        order = whole()
        order["rules"]["venues"] = venues(count, kind)
        assert len(read_document(canonical(order)).rules.venues or ()) == count


def test_venues_are_in_the_order_of_their_names_however_written() -> None:
    order = whole()
    order["rules"]["venues"] = venues(9)[::-1]
    read = read_document(canonical(order)).rules.venues or ()
    assert [one.venue for one in read] == [f"v{i}" for i in range(9)]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    with pytest.raises(InvalidOrderError):
        read_document(content)


@given(st.data())
def test_no_change_of_one_value_breaks_the_reader(data: st.DataObject) -> None:
    order = whole()
    at: Any = order
    while True:
        key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())
        | st.dictionaries(st.text(), st.integers())
    )  # fmt: skip
    with contextlib.suppress(InvalidOrderError, UnicodeEncodeError):
        read_document(canonical(order))
