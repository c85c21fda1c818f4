"""The form of an order: what it shows is what it reads, and nothing of a list is lost."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.desk.order_forms import (
    NUMBER_WRONG,
    ROWS_MAX,
    SPARE_ROWS,
    TOO_LONG,
    content_of,
    rows_of,
    typed_of,
)
from kench.pool.orders.book import OrderBook
from kench.pool.orders.rules import Section
from tests.support import orders

REGTEST = orders.REGTEST


@given(
    st.integers(0, 10**6), st.integers(1, 21 * 10**14), st.integers(1, 10**12),
    st.integers(0, 9_999),
)  # fmt: skip
def test_what_the_form_shows_it_reads_back(ppm: int, sat: int, tyiyn: int, points: int) -> None:
    rules = deepcopy(orders.DEMO_RULES)
    rules["fee"]["pool_ppm"], rules["sale"]["slice_sat"] = ppm, sat
    rules["payout"]["threshold_tyiyn"], rules["sale"]["deviation_bp"] = tyiyn, points
    # The form has minutes.
    content = orders.content_of(7, rules, moment_us=orders.MOMENT_US + 60_000_000)
    assert content_of(typed_of(content, OrderBook()), number=7, network=REGTEST) == (content, [])


@pytest.mark.parametrize("typed", ["", "x", "1.234", "-1", "1e2", "²", "1,2,3"])
def test_what_is_no_number_is_said(typed: str) -> None:
    fields = {"has_payout": "1", "payout-threshold_tyiyn": typed, "moment": "2026-12-01T10:00"}
    _, gaps = content_of(fields, number=1, network=REGTEST)
    assert [(gap.field, gap.text) for gap in gaps] == [("payout-threshold_tyiyn", NUMBER_WRONG)]


def test_a_row_that_stands_after_emptied_ones_is_shown_again() -> None:
    assert rows_of({}, Section.LICENCES) == range(SPARE_ROWS)
    assert rows_of({"licences-9-number": "L-10"}, Section.LICENCES) == range(10 + SPARE_ROWS)
    last = {f"licences-{ROWS_MAX - 1}-venue": "paper"}
    assert rows_of(last, Section.LICENCES) == range(ROWS_MAX)


def test_of_a_list_that_is_too_long_for_the_form_nothing_is_lost_unseen() -> None:
    days = [
        {"date": f"{2026 + number // 28}-02-{number % 28 + 1:02}", "working": False, "act": "a"}
        for number in range(ROWS_MAX + 1)
    ]
    book = orders.book_of((1, orders.DEMO_RULES | {"calendar": days}))
    typed = typed_of({}, book) | {"has_calendar": "1", "moment": "2026-12-01T10:00"}
    _, gaps = content_of(typed, number=2, network=REGTEST)
    assert [(gap.field, gap.text) for gap in gaps] == [("json", TOO_LONG)]
