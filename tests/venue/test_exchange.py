"""The exchange: nothing is made or lost, and its events make it again."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.pool.clock import ManualClock
from kench.venue.exchange import (
    FINE_PER_TYIYN,
    DepositState,
    Event,
    Exchange,
    Order,
    Refusal,
    State,
    Terms,
    Whim,
)
from kench.venue.market import Quote, SetMarket, WanderingMarket

TXID = "ab" * 32
BITCOIN = 100_000_000
whims = st.builds(
    Whim,
    reject=st.sampled_from(["", "", "", "no"]),
    take_ppm=st.sampled_from([1_000_000, 500_000, 1, 0]),
    defer_us=st.sampled_from([0, 0, 1_000_000]),
)
acts = st.one_of(
    st.tuples(st.just("deposit"), st.integers(1, 10 * BITCOIN)),
    st.tuples(st.just("reject"), st.integers(0, 5)),
    st.tuples(st.just("credit"), st.integers(0, 5)),
    st.tuples(
        st.just("place"), st.integers(0, 8), st.integers(0, 3 * BITCOIN),
        st.integers(0, 900_000_000), whims,
    ),
    st.tuples(st.just("cancel"), st.integers(0, 8)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 60.0])),
)  # fmt: skip


def _world(clock: ManualClock, record: list[Event]) -> Exchange:
    market = WanderingMarket("test", 800_000_000)

    def append(event: Event) -> None:
        record.append(json.loads(json.dumps(event)))

    return Exchange(clock, market, Terms(), append)


def _state(exchange: Exchange) -> tuple[Any, ...]:
    return (exchange.free_sat, exchange.held_sat, exchange.kgs_fine, exchange.orders,
            exchange.deposits, exchange.trades, exchange.uncredited)  # fmt: skip


def _check(exchange: Exchange) -> None:
    sold = sum(trade.amount_sat for trade in exchange.trades)
    credited = sum(one.amount_sat for one in exchange.deposits.values()
                   if one.state is DepositState.CREDITED)  # fmt: skip
    assert exchange.free_sat + exchange.held_sat + sold == credited
    assert exchange.free_sat >= 0
    assert exchange.held_sat == sum(
        order.amount_sat for order in exchange.orders.values() if order.state is State.OPEN
    )
    assert exchange.kgs_fine == sum(
        trade.cost_fine - trade.fee_tyiyn * FINE_PER_TYIYN for trade in exchange.trades
    )
    for order in exchange.orders.values():
        assert order.filled_sat == sum(trade.amount_sat for trade in order.trades)
        assert order.filled_sat <= order.amount_sat
        assert all(trade.price_tyiyn >= order.limit_tyiyn for trade in order.trades)
        assert (order.state is State.FILLED) == (order.filled_sat == order.amount_sat)
    assert len({trade.trade_id for trade in exchange.trades}) == len(exchange.trades)


@settings(max_examples=150)
@given(st.lists(acts, max_size=40))
def test_nothing_is_made_or_lost_and_the_events_make_it_again(steps: list[Any]) -> None:
    clock, record = ManualClock(), list[Event]()
    exchange = _world(clock, record)
    for number, step in enumerate(steps):
        if step[0] == "deposit":
            exchange.see_deposit(TXID, number % 6, step[1])
        elif step[0] == "reject":
            exchange.reject_deposit(TXID, step[1], "gone")
        elif step[0] == "credit":
            exchange.credit_deposit(TXID, step[1])
        elif step[0] == "place":
            exchange.place(f"order-{step[1]}", *step[2:])
        elif step[0] == "cancel":
            exchange.cancel(f"order-{step[1]}")
        else:
            clock.advance(step[1])
        _check(exchange)
    again = _world(clock, [])
    again.replay(record)
    assert _state(again) == _state(exchange)
    assert again.book() == exchange.book()


def test_what_cannot_be_recorded_does_not_happen() -> None:
    full = False

    def record(_event: Event) -> None:
        if full:
            raise OSError("no room")

    exchange = Exchange(ManualClock(), SetMarket((Quote(800, BITCOIN),)), Terms(), record)
    exchange.see_deposit(TXID, 0, BITCOIN)
    exchange.credit_deposit(TXID, 0)
    full = True
    with pytest.raises(OSError, match="room"):
        exchange.place("a", 20_000, 800)
    assert exchange.orders == {}
    assert exchange.free_sat == BITCOIN


def test_a_trade_takes_from_the_book_until_the_next_tick() -> None:
    clock = ManualClock()
    exchange = _world(clock, [])
    exchange.see_deposit(TXID, 0, 100 * BITCOIN)
    exchange.credit_deposit(TXID, 0)
    before = exchange.book()
    exchange.place("a", before.bids[0].amount_sat, before.bids[0].price_tyiyn)
    assert exchange.book().bids == before.bids[1:]
    clock.advance(1)
    assert exchange.book().bids[0] != before.bids[1]


def test_a_fee_is_whole_tyiyn_rounded_up_and_never_more_than_the_cost() -> None:
    market = SetMarket((Quote(800_000_001, BITCOIN),))
    exchange = Exchange(ManualClock(), market, Terms(minimum_sat=1), lambda _event: None)
    exchange.see_deposit(TXID, 0, BITCOIN)
    exchange.credit_deposit(TXID, 0)
    for client_id, amount_sat, fee_tyiyn in [("a", 10_000_001, 120_001), ("b", 1, 1)]:
        order = exchange.place(client_id, amount_sat, 1)
        assert isinstance(order, Order)
        assert order.trades[0].fee_tyiyn == fee_tyiyn


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (("", 20_000, 1), Refusal.CLIENT_ID),
        (("a/b", 20_000, 1), Refusal.CLIENT_ID),
        (("a" * 65, 20_000, 1), Refusal.CLIENT_ID),
        (("a", 0, 1), Refusal.AMOUNT),
        (("a", -20_000, 1), Refusal.AMOUNT),
        (("a", 9_999, 1), Refusal.MINIMUM),
        (("a", 20_000, 0), Refusal.PRICE),
        (("a", 2 * BITCOIN, 1), Refusal.BALANCE),
    ],
)
def test_an_order_that_cannot_be_leaves_nothing_behind(
    order: tuple[str, int, int], refusal: Refusal
) -> None:
    record: list[Event] = []
    exchange = _world(ManualClock(), record)
    exchange.see_deposit(TXID, 0, BITCOIN)
    exchange.credit_deposit(TXID, 0)
    before = len(record)
    assert exchange.place(*order) is refusal
    assert (len(record), exchange.orders) == (before, {})


def test_a_credited_deposit_stays_credited() -> None:
    exchange = _world(ManualClock(), [])
    assert exchange.see_deposit(TXID, 0, BITCOIN)
    assert exchange.credit_deposit(TXID, 0)
    assert not exchange.credit_deposit(TXID, 0)
    assert not exchange.reject_deposit(TXID, 0, "gone")
    assert not exchange.see_deposit(TXID, 0, BITCOIN)
    assert exchange.free_sat == BITCOIN
