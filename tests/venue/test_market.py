"""The generated market: one book for one second, wherever and whenever it is asked for."""

from hypothesis import given
from hypothesis import strategies as st

from kench.venue.market import WanderingMarket

BASE = 800_000_000


@given(st.integers(0, 2**40), st.text(max_size=8))
def test_each_second_has_one_book_in_order_and_near_its_base(tick: int, seed: str) -> None:
    market = WanderingMarket(seed, BASE)
    bids, asks = market.depth(tick)
    assert market.depth(tick) == WanderingMarket(seed, BASE).depth(tick)
    prices = [quote.price_tyiyn for quote in bids]
    assert prices == sorted(set(prices), reverse=True)
    assert [quote.price_tyiyn for quote in asks] == sorted({quote.price_tyiyn for quote in asks})
    assert prices[0] < asks[0].price_tyiyn
    assert abs(market.mid_tyiyn(tick) - BASE) <= BASE * 3 // 100
    assert all(quote.amount_sat >= market.least_sat for quote in (*bids, *asks))


@given(st.integers(0, 2**40))
def test_the_price_goes_by_small_steps(tick: int) -> None:
    market = WanderingMarket("kench", BASE)
    step = abs(market.mid_tyiyn(tick + 1) - market.mid_tyiyn(tick))
    assert step <= BASE // 10_000


@given(st.integers(0, 1000))
def test_a_price_of_next_to_nothing_is_still_a_price(base: int) -> None:
    bids, _ = WanderingMarket("kench", base).depth(1)
    assert all(quote.price_tyiyn > 0 for quote in bids)
