"""The planner sells neither below the guard nor above a cap, and always comes to an end."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.orders.rules import SaleRule
from kench.sale.planner import (
    Finished,
    Halt,
    Pause,
    Progress,
    Slice,
    Trip,
    Wait,
    before_quote,
    day_begin_us,
    least,
    limit_price,
    next_midnight_us,
    plan,
)
from kench.sale.venues.port import Book, Capabilities, Level

NOW_US = 1_763_856_000_000_000  # 2025-11-23 06:00 in Bishkek
RULE = SaleRule(
    slice_sat=10_000_000, interval_s=60, deviation_bp=200, quote_age_s=30, depth_bp=2_500,
    daily_cap_sat=5_000_000_000, minimum_sat=10_000, deposit_overdue_s=86_400,
)  # fmt: skip
CAN = Capabilities(10_000, 1, Decimal("0.01"), True, True, True, 30)


def changed(**fields: int) -> SaleRule:
    return SaleRule(**{name: fields.get(name, getattr(RULE, name)) for name in RULE.__slots__})


def book(bid: str = "8000000", ask: str = "8010000", sat: int = 10**9, at_us: int = NOW_US) -> Book:
    return Book((Level(Decimal(bid), sat),), (Level(Decimal(ask), sat),), at_us, "{}")


def progress(left_sat: int = 312_500_000, **fields: object) -> Progress:
    whole = {"sliced_us": None, "today_sat": 0, "reference": None} | fields
    return Progress(left_sat, **whole)  # type: ignore[arg-type]


def test_a_slice_is_offered_at_the_middle_less_the_deviation() -> None:
    found = plan(progress(), RULE, CAN, book(), NOW_US)
    assert found == Slice(10_000_000, Decimal("7844900.00"), Decimal(8005000))


def test_a_slice_waits_for_its_interval() -> None:
    found = plan(progress(sliced_us=NOW_US - 59_000_000), RULE, CAN, book(), NOW_US)
    assert found == Wait(NOW_US + 1_000_000, Pause.INTERVAL)


def test_a_reached_cap_waits_for_midnight_in_bishkek() -> None:
    found = plan(progress(today_sat=RULE.daily_cap_sat - 9_999), RULE, CAN, book(), NOW_US)
    words = "4999990001 sat of 5000000000 are sold or on offer today"
    assert found == Wait(NOW_US + 18 * 3600 * 1_000_000, Pause.DAILY_CAP, words)
    assert next_midnight_us(NOW_US) - day_begin_us(NOW_US) == 86_400_000_000


def test_what_is_left_of_the_cap_bounds_the_slice() -> None:
    found = plan(progress(today_sat=RULE.daily_cap_sat - 20_000), RULE, CAN, book(), NOW_US)
    assert isinstance(found, Slice)
    assert found.amount_sat == 20_000


@pytest.mark.parametrize(
    ("quote", "pause"),
    [
        (book(at_us=NOW_US - 30_000_001), Pause.STALE_QUOTE),
        (book(at_us=NOW_US + 5_000_001), Pause.STALE_QUOTE),
        (Book((), (Level(Decimal(1), 1),), NOW_US, ""), Pause.ONE_SIDED),
        (Book((Level(Decimal(1), 1),), (), NOW_US, ""), Pause.ONE_SIDED),
        (book(sat=39_999), Pause.THIN_BOOK),
    ],
)
def test_a_book_that_cannot_be_sold_into_is_waited_for(quote: Book, pause: Pause) -> None:
    found = plan(progress(), RULE, CAN, quote, NOW_US)
    assert isinstance(found, Wait)
    assert (found.until_us, found.pause) == (NOW_US + 60_000_000, pause)
    assert found.words


@pytest.mark.parametrize("reference", ["8170000", "7840000"])
def test_a_middle_that_jumped_either_way_halts(reference: str) -> None:
    found = plan(progress(reference=Decimal(reference)), RULE, CAN, book(), NOW_US)
    assert isinstance(found, Halt)
    assert found.trip is Trip.DEVIATION


def test_a_middle_that_went_exactly_as_far_as_allowed_sells() -> None:
    found = plan(progress(reference=Decimal(8000000)), changed(deviation_bp=100), CAN,
                 book("8079000", "8081000"), NOW_US)  # fmt: skip
    assert isinstance(found, Slice)


def test_a_spread_wider_than_the_deviation_halts() -> None:
    found = plan(progress(), RULE, CAN, book("8000000", "9000000"), NOW_US)
    assert isinstance(found, Halt)
    assert found.trip is Trip.SPREAD


def test_a_remainder_below_the_minimum_goes_along_with_the_last_slice() -> None:
    found = plan(progress(10_009_999), RULE, CAN, book(), NOW_US)
    assert isinstance(found, Slice)
    assert found.amount_sat == 10_009_999


def test_where_a_cap_forbids_that_a_minimum_is_left_for_another_slice() -> None:
    found = plan(progress(10_009_999), changed(daily_cap_sat=10_005_000), CAN, book(), NOW_US)
    assert isinstance(found, Slice)
    assert found.amount_sat == 9_999_999


@pytest.mark.parametrize("left_sat", [0, 1, 9_999])
def test_what_the_venue_takes_no_order_for_ends_the_sale(left_sat: int) -> None:
    assert before_quote(progress(left_sat), RULE, CAN, NOW_US) == Finished(left_sat)


@given(
    left_sat=st.integers(0, 10**9),
    slice_sat=st.integers(10_000, 10**8),
    minimum_sat=st.integers(1, 10**5),
    step_sat=st.integers(1, 5_000),
    cap_sat=st.integers(10_000, 10**9),
    deep_sat=st.integers(1, 10**9),
    depth_bp=st.integers(1, 10_000),
)
def test_a_sale_that_is_filled_ends_and_keeps_every_bound(
    *,
    left_sat: int,
    slice_sat: int,
    minimum_sat: int,
    step_sat: int,
    cap_sat: int,
    deep_sat: int,
    depth_bp: int,
) -> None:
    rule = changed(
        slice_sat=slice_sat, minimum_sat=minimum_sat, daily_cap_sat=cap_sat, depth_bp=depth_bp
    )
    can = Capabilities(1, step_sat, Decimal("0.01"), True, True, True, 30)
    sold_sat = 0
    for _ in range(20):
        now = progress(left_sat - sold_sat, today_sat=0)
        found = plan(now, rule, can, book(sat=deep_sat), NOW_US)
        if not isinstance(found, Slice):
            break
        assert found.amount_sat % step_sat == 0
        assert least(rule, can) <= found.amount_sat <= min(left_sat - sold_sat, cap_sat)
        assert found.amount_sat <= deep_sat * depth_bp // 10_000
        assert found.amount_sat < slice_sat + least(rule, can) + step_sat
        sold_sat += found.amount_sat
    if isinstance(found, Finished):
        assert found.remainder_sat == left_sat - sold_sat
        assert found.remainder_sat < least(rule, can) + step_sat


@given(
    st.decimals("0.01", "1e12", places=2), st.integers(0, 9_999),
    st.decimals("0.01", "1000", places=2),
)  # fmt: skip
def test_the_limit_is_the_lowest_step_within_the_deviation(
    middle: Decimal, deviation_bp: int, step: Decimal
) -> None:
    limit = limit_price(middle, deviation_bp, step)
    assert limit % step == 0
    assert limit * 10_000 >= middle * (10_000 - deviation_bp)
    assert limit == step or (limit - step) * 10_000 < middle * (10_000 - deviation_bp)
