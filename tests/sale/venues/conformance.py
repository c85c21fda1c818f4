"""What every adapter of a venue must do alike; a test module gives it a rig and runs it all.

class TestPaper(VenueConformance):
    @pytest.fixture
    def rig(self) -> Rig: ...
"""

from decimal import Decimal
from fractions import Fraction

import pytest

from kench.sale.venues.port import (
    KGS,
    DepositState,
    OrderState,
    VenueDuplicateError,
    VenueRefusedError,
)
from kench.venue.exchange import Whim
from tests.support.venues import FEE_PPM, Rig

BITCOIN = 100_000_000
PRICE = Decimal(8000000)


class VenueConformance:
    """Claims about any venue with a deposit of ours and a book set by hand."""

    def test_it_says_what_its_market_can_do(self, rig: Rig) -> None:
        can = rig.venue.capabilities()
        assert can.client_ids
        assert can.immediate_or_cancel
        assert can.minimum_sat >= can.step_sat
        assert can.request_window_s > 0

    def test_a_deposit_is_seen_and_then_credited_once(self, rig: Rig) -> None:
        txid, vout = rig.deposit(BITCOIN, credit=False)
        (seen,) = rig.venue.deposits(0)
        assert (seen.txid, seen.amount_sat, seen.state) == (txid, BITCOIN, DepositState.SEEN)
        assert seen.vout in (vout, None)
        assert rig.venue.balance().free_sat == 0
        other, _ = rig.deposit(2 * BITCOIN)
        credited = rig.venue.deposits(0)[-1]
        assert (credited.txid, credited.state) == (other, DepositState.CREDITED)
        assert credited.credited_us is not None
        assert rig.venue.balance().free_sat == 2 * BITCOIN

    def test_deposits_before_the_moment_asked_for_are_left_out(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.advance(100)
        late, _ = rig.deposit(BITCOIN)
        credited_us = rig.venue.deposits(0)[-1].credited_us
        assert credited_us is not None
        assert [one.txid for one in rig.venue.deposits(credited_us - 50_000_000)] == [late]

    def test_the_book_has_its_prices_and_amounts_exactly(self, rig: Rig) -> None:
        rig.quote(("8000000.01", 123_456), ("7999999.99", 1))
        bids = rig.venue.book().bids
        assert [(bid.price, bid.amount_sat) for bid in bids] == [
            (Decimal("8000000.01"), 123_456),
            (Decimal("7999999.99"), 1),
        ]

    def test_an_empty_book_is_a_book(self, rig: Rig) -> None:
        rig.quote()
        assert rig.venue.book().bids == ()

    def test_an_order_takes_the_best_prices_first_and_pays_the_fee(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", 10_000_000), ("7900000", 50_000_000))
        view = rig.place("order-1", 30_000_000, Decimal(7900000))
        assert (view.state, view.filled_sat) == (OrderState.FILLED, 30_000_000)
        fills = rig.venue.fills("order-1")
        assert [(fill.price, fill.amount_sat, fill.cost) for fill in fills] == [
            (Decimal(8000000), 10_000_000, Decimal(800000)),
            (Decimal(7900000), 20_000_000, Decimal(1580000)),
        ]
        assert [fill.fee for fill in fills] == [fill.cost * FEE_PPM / 1_000_000 for fill in fills]
        assert {fill.fee_asset for fill in fills} == {KGS}
        assert {fill.client_id for fill in fills} == {"order-1"}
        assert len({fill.trade_id for fill in fills}) == 2
        assert all(fill.raw for fill in fills)
        balance = rig.venue.balance()
        assert (balance.free_sat, balance.held_sat) == (70_000_000, 0)
        assert balance.free_kgs == sum(fill.cost - fill.fee for fill in fills)

    def test_the_rest_of_an_order_is_cancelled_at_once(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", 10_000_000), ("7900000", 50_000_000))
        view = rig.place("order-2", 30_000_000, PRICE)
        assert (view.state, view.filled_sat) == (OrderState.CANCELLED, 10_000_000)
        assert rig.venue.look_up("order-2") is not None
        assert rig.venue.balance().free_sat == 90_000_000

    def test_an_order_above_all_bids_sells_nothing(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", 10_000_000))
        view = rig.place("order-3", 10_000_000, Decimal("8000000.01"))
        assert (view.state, view.filled_sat) == (OrderState.CANCELLED, 0)
        assert list(rig.venue.fills("order-3")) == []

    def test_an_order_is_found_by_our_id_and_a_strange_id_is_none(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", 10_000_000))
        placed = rig.place("order-4", 10_000_000, PRICE)
        found = rig.venue.look_up("order-4")
        assert found is not None
        assert (found.client_id, found.venue_order_id) == ("order-4", placed.venue_order_id)
        assert (found.state, found.filled_sat) == (OrderState.FILLED, 10_000_000)
        assert rig.venue.look_up("order-5") is None
        assert list(rig.venue.fills("order-5")) == []
        assert rig.venue.cancel("order-5") is None

    def test_an_id_is_never_carried_out_twice(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", 90_000_000))
        rig.place("order-6", 10_000_000, PRICE)
        with pytest.raises(VenueDuplicateError):
            rig.place("order-6", 10_000_000, PRICE)
        assert rig.venue.balance().free_sat == 90_000_000

    def test_an_order_that_is_sent_long_after_it_was_intended_is_never_carried_out(
        self, rig: Rig
    ) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", 90_000_000))
        rig.advance(1000)
        late_s = rig.venue.capabilities().request_window_s + 0.001
        with pytest.raises(VenueRefusedError):
            rig.place("order-15", 10_000_000, PRICE, after_s=late_s)
        assert rig.venue.look_up("order-15") is None
        assert rig.place("order-15", 10_000_000, PRICE, after_s=5).filled_sat == 10_000_000

    @pytest.mark.parametrize(
        ("amount_sat", "price"),
        [(2 * BITCOIN, "8000000"), (100, "8000000"), (10_000_000, "8000000.001")],
        ids=["more than is there", "below the minimum", "between two prices"],
    )
    def test_what_the_market_does_not_take_is_refused(
        self, rig: Rig, amount_sat: int, price: str
    ) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", BITCOIN))
        with pytest.raises(VenueRefusedError):
            rig.place("order-7", amount_sat, Decimal(price))
        assert rig.venue.look_up("order-7") is None
        assert rig.venue.balance().free_sat == BITCOIN

    def test_a_rejected_order_is_refused_and_sold_nothing(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", BITCOIN))
        rig.whim(Whim(reject="the market is closed"))
        with pytest.raises(VenueRefusedError):
            rig.place("order-8", 10_000_000, PRICE)
        found = rig.venue.look_up("order-8")
        assert found is None or (found.state, found.filled_sat) == (OrderState.REJECTED, 0)
        assert rig.venue.balance().free_sat == BITCOIN

    def test_an_open_order_holds_its_coins_until_it_is_cancelled(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", BITCOIN))
        rig.whim(Whim(defer_us=60_000_000))
        view = rig.place("order-9", 10_000_000, PRICE)
        assert (view.state, view.filled_sat) == (OrderState.OPEN, 0)
        assert rig.venue.balance().held_sat == 10_000_000
        cancelled = rig.venue.cancel("order-9")
        assert cancelled is not None
        assert cancelled.state is OrderState.CANCELLED
        assert rig.venue.balance().free_sat == BITCOIN

    def test_what_ended_cannot_be_cancelled_and_shows_how_it_ended(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", BITCOIN))
        rig.place("order-10", 10_000_000, PRICE)
        view = rig.venue.cancel("order-10")
        assert view is not None
        assert (view.state, view.filled_sat) == (OrderState.FILLED, 10_000_000)

    def test_fills_since_a_moment_are_those_of_all_orders_from_then_on(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8000000", BITCOIN))
        rig.place("order-11", 10_000_000, PRICE)
        rig.advance(100)
        rig.place("order-12", 20_000_000, PRICE)
        assert [fill.client_id for fill in rig.venue.fills_since(0)] == ["order-11", "order-12"]
        late_us = rig.venue.fills_since(0)[-1].at_us
        assert [fill.client_id for fill in rig.venue.fills_since(late_us)] == ["order-12"]

    def test_many_fills_come_whole(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(*((str(8_000_000 - step), 20_000) for step in range(1_100)))
        view = rig.place("order-13", 22_000_000, Decimal(1))
        assert view.state is OrderState.FILLED
        assert len(rig.venue.fills("order-13")) == 1_100
        assert sum(fill.amount_sat for fill in rig.venue.fills_since(0)) == 22_000_000

    def test_odd_amounts_and_prices_are_exact(self, rig: Rig) -> None:
        rig.deposit(BITCOIN)
        rig.quote(("8123456.78", 12_345_679))
        rig.place("order-14", 12_345_679, Decimal("8123456.78"))
        (fill,) = rig.venue.fills("order-14")
        assert Fraction(fill.cost) == Fraction(812345678 * 12345679, 10**10)

    def test_the_fee_is_what_it_says(self, rig: Rig) -> None:
        assert rig.venue.fees().taker_ppm == FEE_PPM
