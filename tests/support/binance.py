"""A server that speaks the spot REST of Binance, as far as a sale needs it, over our exchange.

It checks key, HMAC and moment as the real one does, and has the real one's errors.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kench.pool.api_key import ApiKey
from kench.venue.exchange import FINE_PER_TYIYN, Order, Refusal, State, Trade
from tests.support.venues import ExchangeRig, fine_kgs

KEY = ApiKey("binance-key", "binance-secret")
SYMBOL = "BTCKGS"
RECEIVE_WINDOW_MS = 5_000
STATUS = {
    State.OPEN: "NEW",
    State.FILLED: "FILLED",
    State.CANCELLED: "EXPIRED",
    State.REJECTED: "REJECTED",
}
MARKET = {
    "symbol": SYMBOL,
    "status": "TRADING",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "KGS",
    "quotePrecision": 8,
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "MARKET"],
    "isSpotTradingAllowed": True,
    "permissions": [],
    "permissionSets": [["SPOT"]],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000000",
         "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.0001", "maxQty": "9000",
         "stepSize": "0.00000001"},
    ],
}  # fmt: skip


class RefusedError(Exception):
    """An error of the API: its code and message."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class BinanceServer:
    """The application, and the means to have its answers changed on their way."""

    rig: ExchangeRig
    asked: list[str] = field(default_factory=list)
    change: Callable[[str, Any], Any] = lambda _path, answer: answer
    """May return another answer, or a Response to send instead."""

    def app(self) -> Starlette:
        routes: list[tuple[str, str, Callable[[dict[str, str]], Any], bool]] = [
            ("GET", "/api/v3/exchangeInfo", lambda _: {"symbols": [MARKET]}, False),
            ("GET", "/api/v3/depth", self._depth, False),
            ("GET", "/api/v3/account", self._account, True),
            ("POST", "/api/v3/order", self._place, True),
            ("GET", "/api/v3/order", self._look_up, True),
            ("DELETE", "/api/v3/order", self._cancel, True),
            ("GET", "/api/v3/myTrades", self._trades, True),
            ("GET", "/sapi/v1/capital/deposit/hisrec", self._deposits, True),
            ("GET", "/sapi/v1/asset/tradeFee", self._fee, True),
        ]
        return Starlette(routes=[self._route(*route) for route in routes])

    def _route(
        self, method: str, path: str, answer: Callable[[dict[str, str]], Any], signed: bool
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            self.asked.append(f"{method} {path}")
            body = (await request.body()).decode()
            query = body if method == "POST" else request.url.query
            try:
                if signed:
                    key = request.headers.get("x-mbx-apikey", "")
                    _check_signature(query, key, self.rig.clock.now_us())
                said = self.change(f"{method} {path}", answer(dict(parse_qsl(query))))
            except RefusedError as error:
                said = self.change(
                    f"{method} {path}",
                    JSONResponse({"code": error.code, "msg": str(error)}, error.status),
                )
            return said if isinstance(said, Response) else JSONResponse(said)

        return Route(path, endpoint, methods=[method])

    def _depth(self, query: dict[str, str]) -> Any:
        depth = self.rig.exchange.book()
        bids, asks = (
            [[_kgs(quote.price_tyiyn), _btc(quote.amount_sat)] for quote in side] for side in depth
        )
        return {"lastUpdateId": 1, "bids": bids, "asks": asks}

    def _account(self, query: dict[str, str]) -> Any:
        exchange = self.rig.exchange
        exchange.match_due()
        return {
            "balances": [
                {
                    "asset": "BTC",
                    "free": _btc(exchange.free_sat),
                    "locked": _btc(exchange.held_sat),
                },
                {"asset": "KGS", "free": f"{fine_kgs(exchange.kgs_fine):f}", "locked": "0.00"},
            ]
        }

    def _place(self, query: dict[str, str]) -> Any:
        if (query["symbol"], query["side"], query["type"], query["timeInForce"]) != (
            SYMBOL, "SELL", "LIMIT", "IOC",
        ):  # fmt: skip
            raise RefusedError(-1102, "Mandatory parameter was malformed")
        price, amount = query["price"], query["quantity"]
        if not re.fullmatch(r"\d+(\.\d{1,2})?", price):
            raise RefusedError(-1013, "Filter failure: PRICE_FILTER")
        if not re.fullmatch(r"\d+(\.\d{1,8})?", amount):
            raise RefusedError(-1013, "Filter failure: LOT_SIZE")
        done = self.rig.exchange.place(
            query["newClientOrderId"], _whole(amount, 8), _whole(price, 2), self.rig.take_whim()
        )
        if done is Refusal.BALANCE:
            raise RefusedError(-2010, "Account has insufficient balance for requested action.")
        if done is Refusal.DUPLICATE:
            raise RefusedError(-2010, "Duplicate order sent.")
        if isinstance(done, Refusal):
            raise RefusedError(-1013, f"Filter failure: {done}")
        return _order(done)

    def _look_up(self, query: dict[str, str]) -> Any:
        return _order(self._find(query, RefusedError(-2013, "Order does not exist.")))

    def _cancel(self, query: dict[str, str]) -> Any:
        unknown = RefusedError(-2011, "Unknown order sent.")
        order = self._find(query, unknown)
        if order.state is not State.OPEN:
            raise unknown
        self.rig.exchange.cancel(order.client_id)
        return {**_order(order), "origClientOrderId": order.client_id, "clientOrderId": "cancel-1",
                "status": "CANCELED"}  # fmt: skip

    def _find(self, query: dict[str, str], unknown: RefusedError) -> Order:
        if query.get("orderId"):
            found = [one for one in self.rig.exchange.orders.values()
                     if str(one.order_id) == query["orderId"]]  # fmt: skip
            order = found[0] if found else None
        else:
            order = self.rig.exchange.order(query["origClientOrderId"])
        if order is None:
            raise unknown
        return order

    def _trades(self, query: dict[str, str]) -> Any:
        trades = self.rig.exchange.trades_since(int(query.get("startTime", 0)) * 1000)
        if "orderId" in query:
            trades = [trade for trade in trades if str(trade.order_id) == query["orderId"]]
        trades = [trade for trade in trades if trade.trade_id >= int(query.get("fromId", 0))]
        return [_trade(trade) for trade in trades[: int(query.get("limit", 500))]]

    def _deposits(self, query: dict[str, str]) -> Any:
        since_us = int(query.get("startTime", 0)) * 1000
        return [
            {
                "id": f"{one.txid}:{one.vout}", "amount": _btc(one.amount_sat), "coin": "BTC",
                "network": "BTC", "status": 1 if one.credited_us else 0, "txId": one.txid,
                "insertTime": one.seen_us // 1000, "transferType": 0,
                **({"successTime": one.credited_us // 1000} if one.credited_us else {}),
            }
            for one in self.rig.exchange.deposits_since(since_us)
        ]  # fmt: skip

    def _fee(self, query: dict[str, str]) -> Any:
        share = f"{self.rig.exchange.terms.fee_ppm / 1_000_000:.8f}"
        return [{"symbol": SYMBOL, "makerCommission": share, "takerCommission": share}]


def _check_signature(query: str, key: str, now_us: int) -> None:
    signed, _, signature = query.rpartition("&signature=")
    if key != KEY.key:
        raise RefusedError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    right = hmac.new(KEY.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, signature):
        raise RefusedError(-1022, "Signature for this request is not valid.")
    parameters = dict(parse_qsl(signed))
    now_ms = now_us // 1000
    window_ms = int(parameters.get("recvWindow", RECEIVE_WINDOW_MS))
    if not now_ms - window_ms <= int(parameters["timestamp"]) < now_ms + 1000:
        raise RefusedError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _order(order: Order) -> dict[str, Any]:
    return {
        "symbol": SYMBOL, "orderId": order.order_id, "clientOrderId": order.client_id,
        "price": _kgs(order.limit_tyiyn), "origQty": _btc(order.amount_sat),
        "executedQty": _btc(order.filled_sat),
        "cummulativeQuoteQty": f"{fine_kgs(sum(one.cost_fine for one in order.trades)):f}",
        "status": STATUS[order.state], "timeInForce": "IOC", "type": "LIMIT", "side": "SELL",
        "time": order.at_us // 1000, "updateTime": order.at_us // 1000,
    }  # fmt: skip


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": SYMBOL, "id": trade.trade_id, "orderId": trade.order_id,
        "price": _kgs(trade.price_tyiyn), "qty": _btc(trade.amount_sat),
        "quoteQty": f"{fine_kgs(trade.cost_fine):f}",
        "commission": f"{fine_kgs(trade.fee_tyiyn * FINE_PER_TYIYN):f}", "commissionAsset": "KGS",
        "time": trade.at_us // 1000, "isBuyer": False, "isMaker": False, "isBestMatch": True,
    }  # fmt: skip


def _kgs(tyiyn: int) -> str:
    return f"{tyiyn // 100}.{tyiyn % 100:02d}000000"


def _btc(amount_sat: int) -> str:
    return f"{amount_sat // 10**8}.{amount_sat % 10**8:08d}"


def _whole(text: str, places: int) -> int:
    whole, _, rest = text.partition(".")
    return int(whole + rest.ljust(places, "0"))
