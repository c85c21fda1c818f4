"""Those who are to sign are told what an order changes, and what it may not mean to."""

from kench.pool.orders.book import OrderBook
from kench.pool.orders.changes import changes, percent, said, warnings
from kench.pool.orders.rules import Reward
from tests.support.orders import DEMO_RULES, LICENCE, book_of, document


def test_each_section_is_named_with_its_point_and_what_was_before() -> None:
    order = document(2, {"fee": {"pool_ppm": 12_500}, "payout": {"threshold_tyiyn": 5}}, height=9)
    assert changes(book_of(), order) == [
        "fee from height 9: 12500 ppm (1.25 %); before: 20000 ppm (2 %) (order 1)",
        "payout from 2026-01-01T00:00:00+06:00: from 5 tyiyn; before: from 100000 tyiyn (order 1)",
    ]


def test_every_section_has_words() -> None:
    lines = changes(OrderBook(), document(1, DEMO_RULES))
    assert len(lines) == len(DEMO_RULES)
    assert all(line.endswith("before: not set") for line in lines)
    assert "refused over 75 %, an officer decides over 50 %" in lines[4]
    assert "daily_cap_sat 5000000000" in lines[5]
    assert "paper weight 1 at bcrt1" in lines[2]
    assert "2026-12-31 free (resolution 700)" in lines[7]
    assert said(Reward("pplns", 2_500_000)) == "pplns over 2.5 difficulties"
    assert percent(1) == "0.0001 %"


def test_a_venue_that_is_paid_and_loses_its_licence_is_warned_of() -> None:
    other = {"licences": [LICENCE | {"venue": "other"}]}
    (line,) = warnings(book_of(), document(2, other))
    assert "blocks go on paying venue paper" in line
    assert not warnings(book_of(), document(2, {"licences": [LICENCE]}))
    assert not warnings(book_of(), document(2, {"fee": {"pool_ppm": 1}}))
    assert not warnings(OrderBook(), document(1, DEMO_RULES))
