"""The port's own checks, and the conformance of the exchange itself behind it."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from kench.sale.venues import port
from kench.venue.exchange import Whim
from tests.sale.venues.conformance import BITCOIN, PRICE, VenueConformance
from tests.support.venues import ExchangeRig, Fault, FaultyVenue, direct_rig

FILL = port.Fill("1", "a", "1", 100, Decimal(8), Decimal("0.000008"), Decimal(0), "KGS", 0, "")
ORDER = port.OrderView("a", "1", port.OrderState.OPEN, 10, 0, "", "")
DEPOSIT = port.Deposit("ab" * 32, 0, 1, port.DepositState.SEEN, None, "")
BALANCE = port.Balance(0, 0, Decimal(0), Decimal(0), "")
LEVELS = tuple(port.Level(Decimal(price), 1) for price in (3, 2, 1))


class TestDirect(VenueConformance):
    @pytest.fixture
    def rig(self) -> ExchangeRig:
        return direct_rig()


@pytest.mark.parametrize(
    ("true", "lie"),
    [
        (FILL, {"amount_sat": 0}),
        (FILL, {"amount_sat": -1}),
        (FILL, {"trade_id": ""}),
        (FILL, {"price": Decimal(0)}),
        (FILL, {"price": Decimal("NaN")}),
        (FILL, {"price": Decimal("sNaN")}),
        (FILL, {"price": Decimal("Infinity")}),
        (FILL, {"price": Decimal("1e400")}),
        (FILL, {"cost": Decimal("0.02")}),
        (FILL, {"fee": Decimal(-1)}),
        (FILL, {"amount_sat": 21_000_001 * BITCOIN}),
        (ORDER, {"filled_sat": 11}),
        (ORDER, {"filled_sat": -1}),
        (ORDER, {"amount_sat": 0}),
        (ORDER, {"state": port.OrderState.FILLED, "filled_sat": 9}),
        (ORDER, {"state": port.OrderState.REJECTED, "filled_sat": 1}),
        (DEPOSIT, {"amount_sat": 0}),
        (DEPOSIT, {"txid": "ab"}),
        (DEPOSIT, {"txid": "zz" * 32}),
        (DEPOSIT, {"vout": -1}),
        (DEPOSIT, {"credited_us": 1}),
        (BALANCE, {"free_sat": -1}),
        (BALANCE, {"held_kgs": Decimal("-0.01")}),
        (BALANCE, {"free_kgs": Decimal("NaN")}),
    ],
)
def test_an_answer_that_contradicts_itself_cannot_be_made(
    true: port.Fill, lie: dict[str, object]
) -> None:
    with pytest.raises(port.VenueUnreadableError):
        replace(true, **lie)  # type: ignore[arg-type]


def test_a_book_out_of_order_or_crossed_cannot_be_made() -> None:
    port.Book(LEVELS, (), 0, "")
    port.Book((), LEVELS[::-1], 0, "")
    for bids, asks in [(LEVELS[::-1], ()), ((), LEVELS), (LEVELS, LEVELS[::-1]),
                       ((LEVELS[0], LEVELS[0]), ())]:  # fmt: skip
        with pytest.raises(port.VenueUnreadableError):
            port.Book(bids, asks, 0, "")


def test_raw_answers_stay_out_of_repr() -> None:
    assert "hush" not in repr(replace(FILL, raw="hush"))


def test_a_bad_line_fails_as_it_is_told_and_tells_the_truth_of_it() -> None:
    rig = direct_rig()
    rig.deposit(BITCOIN)
    rig.quote(("8000000", BITCOIN))
    line = FaultyVenue(rig.venue, random.Random(1), {Fault.LOST_ANSWER: 1.0})
    with pytest.raises(port.VenueUncertainError):
        line.place_limit_ioc("a", 10_000_000, PRICE, rig.clock.now_us())
    assert rig.venue.look_up("a") is not None
    line = FaultyVenue(rig.venue, random.Random(1), {Fault.LOST_QUESTION: 1.0})
    with pytest.raises(port.VenueUncertainError):
        line.place_limit_ioc("b", 10_000_000, PRICE, rig.clock.now_us())
    assert rig.venue.look_up("b") is None


def test_a_deferred_order_is_matched_when_its_time_comes() -> None:
    rig = direct_rig()
    rig.deposit(BITCOIN)
    rig.quote(("8000000", BITCOIN))
    rig.whim(Whim(defer_us=2_000_000, take_ppm=500_000))
    rig.place("a", 10_000_000, PRICE)
    rig.advance(3)
    view = rig.venue.look_up("a")
    assert view is not None
    assert (view.state, view.filled_sat) == (port.OrderState.CANCELLED, 5_000_000)
