"""The ccxt adapter against a server that speaks Binance's REST: conformance, hostile answers."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from kench.pool.api_key import ApiKey
from kench.pool.clock import SystemClock
from kench.pool.venue_settings import VenueKind, VenueSettings
from kench.sale.venues import port
from kench.sale.venues.ccxt_venue import CcxtVenue
from kench.sale.venues.web import Web
from tests.sale.venues.conformance import BITCOIN, PRICE, VenueConformance
from tests.support.binance import KEY, MARKET, BinanceServer
from tests.support.venues import ExchangeRig, exchange_rig
from tests.support.web_servers import Switch, switching

ORDER = "POST /api/v3/order"


class CcxtRig(ExchangeRig):
    server: BinanceServer
    venue: CcxtVenue
    url: str

    def client(self, key: ApiKey = KEY, exchange: str = "binance") -> CcxtVenue:
        settings = VenueSettings(
            name="ccxt", kind=VenueKind.CCXT, exchange=exchange, url=self.url, key_file=Path("/k")
        )
        return CcxtVenue(settings, key, Web("ccxt", SystemClock(), 10.0), self.clock)


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    with switching() as served:
        yield served


@pytest.fixture
def rig(switch: Switch) -> CcxtRig:
    inner = exchange_rig()
    rig = CcxtRig(inner.clock, inner.market, inner.exchange, inner.events)
    rig.server = BinanceServer(rig)
    switch.app = rig.server.app()
    rig.url = switch.url
    rig.venue = rig.client()
    return rig


class TestCcxt(VenueConformance):
    pass


@pytest.fixture
def stocked(rig: CcxtRig) -> CcxtRig:
    rig.deposit(BITCOIN)
    rig.quote(("8000000", BITCOIN))
    rig.venue.capabilities()
    return rig


def _answers(rig: CcxtRig, path: str, answer: Any) -> None:
    """Have one path answered so from now on, after it did what it was asked."""

    def change(asked: str, honest: Any) -> Any:
        if asked != path:
            return honest
        return answer(honest) if callable(answer) and not isinstance(answer, Response) else answer

    rig.server.change = change


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (JSONResponse({"code": -1007, "msg": "Timeout waiting for response"}, 408),
         port.VenueUncertainError),
        (JSONResponse({"code": -1000, "msg": "An unknown error"}, 400), port.VenueUncertainError),
        (JSONResponse({}, 500), port.VenueUncertainError),
        (PlainTextResponse("<html>Bad gateway</html>", 502), port.VenueUncertainError),
        (PlainTextResponse("<html>Hello</html>"), port.VenueUnreadableError),
        (PlainTextResponse('{"symbol": "BTCKGS", "ord'), port.VenueUnreadableError),
        (PlainTextResponse(""), port.VenueUnreadableError),
        (JSONResponse(None), port.VenueUnreadableError),
    ],
)  # fmt: skip
def test_an_order_whose_answer_says_nothing_may_have_been_done(
    stocked: CcxtRig, answer: Response, error: type[Exception]
) -> None:
    _answers(stocked, ORDER, answer)
    with pytest.raises(port.VenueError) as caught:
        stocked.place("a", 10_000_000, PRICE)
    assert isinstance(caught.value, (error, port.VenueUnreadableError))
    assert not isinstance(caught.value, (port.VenueRefusedError, port.VenueBusyError))
    stocked.server.change = lambda _path, honest: honest
    view = stocked.venue.look_up("a")
    assert view is not None
    assert view.state is port.OrderState.FILLED


@pytest.mark.parametrize("answer", [JSONResponse([]), JSONResponse({"orderId": {}})])
def test_an_order_whose_answer_has_no_state_is_looked_up_at_once(
    stocked: CcxtRig, answer: Response
) -> None:
    _answers(stocked, ORDER, answer)
    view = stocked.place("a", 10_000_000, PRICE)
    assert view.state is port.OrderState.FILLED
    assert stocked.server.asked[-1] == "GET /api/v3/order"


@pytest.mark.parametrize(
    "lie",
    [
        {"executedQty": "0.2"},
        {"executedQty": "-0.1"},
        {"executedQty": "NaN"},
        {"executedQty": "1e999999999"},
        {"executedQty": "0.000000001"},
        {"executedQty": {}},
        {"origQty": "5"},
        {"origQty": "Infinity"},
        {"clientOrderId": "another"},
        {"status": "SURPRISE"},
        {"side": "BUY"},
        {"orderId": ""},
        {"orderId": "x" * 1000},
    ],
)
def test_an_order_that_contradicts_itself_is_not_believed(
    stocked: CcxtRig, lie: dict[str, Any]
) -> None:
    _answers(stocked, ORDER, lambda honest: {**honest, **lie})
    with pytest.raises(port.VenueUnreadableError):
        stocked.place("a", 10_000_000, PRICE)


@pytest.mark.parametrize(
    "lie",
    [
        {"qty": "-1"},
        {"qty": "0"},
        {"qty": None},
        {"price": "1"},
        {"price": "NaN"},
        {"price": "1E+400"},
        {"quoteQty": "1"},
        {"commission": "NaN"},
        {"commission": "-1"},
        {"commission": None},
        {"id": None},
        {"time": None},
        {"time": "yesterday"},
        {"isBuyer": True},
        {"orderId": "7"},
    ],
)
def test_a_trade_that_contradicts_itself_is_not_believed(
    stocked: CcxtRig, lie: dict[str, Any]
) -> None:
    stocked.place("a", 10_000_000, PRICE)
    _answers(stocked, "GET /api/v3/myTrades", lambda honest: [{**honest[0], **lie}])
    with pytest.raises(port.VenueUnreadableError):
        stocked.venue.fills("a")


def test_one_trade_told_twice_is_one_and_told_twice_differently_is_not_believed(
    stocked: CcxtRig,
) -> None:
    stocked.place("a", 10_000_000, PRICE)
    _answers(stocked, "GET /api/v3/myTrades", lambda honest: honest * 2)
    assert len(stocked.venue.fills("a")) == 1
    _answers(
        stocked, "GET /api/v3/myTrades", lambda honest: [*honest, {**honest[0], "commission": "1"}]
    )
    with pytest.raises(port.VenueUnreadableError, match="twice"):
        stocked.venue.fills("a")


@pytest.mark.parametrize(
    "bids",
    [
        [["8000000", "-1"]],
        [["-1", "1"]],
        [["NaN", "1"], ["7000000", "1"]],
        [["1e400", "1"]],
        [["8000000"]],
        [["9999999999", "1"]],
        "many",
    ],
)
def test_a_book_that_cannot_be_is_not_believed(stocked: CcxtRig, bids: Any) -> None:
    _answers(stocked, "GET /api/v3/depth", lambda honest: {**honest, "bids": bids})
    with pytest.raises(port.VenueUnreadableError):
        stocked.venue.book()


def test_a_book_out_of_order_is_sorted_by_number_and_not_by_letters(stocked: CcxtRig) -> None:
    bids = [["999", "1"], ["1000", "1"], ["10000", "1"]]
    _answers(stocked, "GET /api/v3/depth", lambda honest: {**honest, "bids": bids})
    assert [int(bid.price) for bid in stocked.venue.book().bids] == [10_000, 1_000, 999]


@pytest.mark.parametrize(
    "lie", [{"amount": "-1"}, {"amount": "NaN"}, {"amount": None}, {"status": 77}]
)
def test_a_deposit_that_cannot_be_is_not_believed(stocked: CcxtRig, lie: dict[str, Any]) -> None:
    path = "GET /sapi/v1/capital/deposit/hisrec"
    _answers(stocked, path, lambda honest: [{**honest[0], **lie}])
    with pytest.raises(port.VenueUnreadableError):
        stocked.venue.deposits(0)


def test_a_deposit_that_came_over_no_chain_is_none_of_ours(stocked: CcxtRig) -> None:
    path = "GET /sapi/v1/capital/deposit/hisrec"
    _answers(stocked, path, lambda honest: [{**honest[0], "txId": "Internal transfer 1234"}])
    assert list(stocked.venue.deposits(0)) == []


def test_a_refusal_is_believed_only_when_there_is_no_such_order(stocked: CcxtRig) -> None:
    refusal = JSONResponse({"code": -2010, "msg": "This order is not allowed"}, 400)
    _answers(stocked, ORDER, refusal)
    with pytest.raises(port.VenueDuplicateError):
        stocked.place("a", 10_000_000, PRICE)
    assert stocked.server.asked[-1] == "GET /api/v3/order"


def test_a_refusal_that_cannot_be_looked_into_is_uncertain(stocked: CcxtRig) -> None:
    def change(asked: str, honest: Any) -> Any:
        if asked == ORDER:
            return JSONResponse({"code": -2010, "msg": "This order is not allowed"}, 400)
        return JSONResponse({}, 500)

    stocked.server.change = change
    with pytest.raises(port.VenueUncertainError):
        stocked.place("a", 10_000_000, PRICE)


@pytest.mark.parametrize("status", [429, 418])
def test_too_many_requests_are_told_when_to_come_again(stocked: CcxtRig, status: int) -> None:
    busy = JSONResponse({"code": -1003, "msg": "Too many"}, status, headers={"Retry-After": "7"})
    _answers(stocked, "GET /api/v3/depth", busy)
    with pytest.raises(port.VenueBusyError) as caught:
        stocked.venue.book()
    assert caught.value.retry_after_s == 7


def test_a_wrong_key_is_refused_and_no_secret_or_signature_is_told(stocked: CcxtRig) -> None:
    for key in (ApiKey("binance-key", "guessed-secret"), ApiKey("guessed-key", "binance-secret")):
        intruder = stocked.client(key)
        with pytest.raises(port.VenueRefusedError) as caught:
            intruder.balance()
        told = str(caught.value) + repr(intruder)
        assert not [word for word in ("secret", "signature=") if word in told]


def test_amounts_that_the_library_would_round_are_not_even_sent(stocked: CcxtRig) -> None:
    _answers(stocked, "GET /api/v3/exchangeInfo", {"symbols": [{**MARKET, "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "1000000000", "tickSize": "1"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
        {"filterType": "NOTIONAL", "minNotional": "80000"},
    ]}]})  # fmt: skip
    stocked.advance(3601)
    can = stocked.venue.capabilities()
    assert (can.step_sat, can.price_step, can.minimum_sat) == (100_000, Decimal(1), 1_050_000)
    stocked.server.asked.clear()
    for amount_sat, price in [(150_000, PRICE), (200_000, PRICE + Decimal("0.5"))]:
        with pytest.raises(port.VenueRefusedError, match="multiples"):
            stocked.place("a", amount_sat, price)
    assert ORDER not in stocked.server.asked


def test_nothing_is_asked_of_any_other_host(stocked: CcxtRig) -> None:
    settings = VenueSettings(
        name="gone", kind=VenueKind.CCXT, exchange="binance", url="http://127.0.0.1:1",
        key_file=Path("/k"),
    )  # fmt: skip
    gone = CcxtVenue(settings, KEY, Web("gone", SystemClock(), 1.0), stocked.clock)
    with pytest.raises(port.VenueBusyError, match="cannot be reached"):
        gone.book()


def test_an_exchange_that_the_library_does_not_know_is_refused_by_name(stocked: CcxtRig) -> None:
    with pytest.raises(port.VenueRefusedError, match="no exchange nonesuch"):
        stocked.client(exchange="nonesuch")


def test_an_exchange_without_immediate_orders_says_so(stocked: CcxtRig) -> None:
    venue = stocked.client(exchange="hollaex")
    features = venue._exchange.features["spot"]["createOrder"]["timeInForce"]
    assert not features["IOC"]
