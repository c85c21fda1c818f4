"""What each request of the venue's HTTP means: from its parameters to an answer in JSON.

Amounts are whole satoshi, prices and money are text in KGS, exact. Lists come in pages: `after` of
the next request is `next` of the last answer.
"""

import threading
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from kench.pool.clock import Clock
from kench.venue.exchange import Deposit, Exchange, Order, Refusal, State, Trade, Whim
from kench.venue.market import Quote

PAIR = "BTC/KGS"
PAGE = 500
US_MAX = 2**62
PRICE_DIGITS_MAX = 30

_NOT_FOUND = {"error": "unknown_order", "message": "there is no order with this client_id"}


class Answer(NamedTuple):
    """A status and what is said with it."""

    status: int
    body: dict[str, Any]


class BadRequestError(ValueError):
    """A parameter that is none; the text says which."""


class Desk:
    """Answers one request at a time, whichever thread brings it."""

    def __init__(self, exchange: Exchange, clock: Clock, window_s: int) -> None:
        self._exchange = exchange
        self._clock = clock
        self._window_s = window_s
        self.address: str | None = None
        """Where deposits go; None until it is known."""
        self.lock = threading.Lock()
        """Whoever touches the exchange holds it."""

    def time(self) -> Answer:
        """Return the venue's clock."""
        return Answer(200, {"now_us": self._clock.now_us()})

    def market(self) -> Answer:
        """Return what the market can do."""
        terms = self._exchange.terms
        return Answer(200, {
            "pair": PAIR,
            "minimum_sat": terms.minimum_sat,
            "step_sat": terms.step_sat,
            "price_step": _tyiyn_text(terms.price_step_tyiyn),
            "taker_fee_ppm": terms.fee_ppm,
            "request_window_s": self._window_s,
        })  # fmt: skip

    def book(self) -> Answer:
        """Return the order book."""
        with self.lock:
            depth = self._exchange.book()
            at_us = self._clock.now_us()
        return Answer(200, {"at_us": at_us, "bids": _side(depth.bids), "asks": _side(depth.asks)})

    def balance(self) -> Answer:
        """Return what is held for the key's owner."""
        with self.lock:
            self._exchange.match_due()
            free, held = self._exchange.free_sat, self._exchange.held_sat
            kgs = self._exchange.kgs_fine
        return Answer(200, {
            "BTC": {"free_sat": free, "held_sat": held},
            "KGS": {"free": _fine_text(kgs), "held": "0"},
        })  # fmt: skip

    def deposits(self, since_us: str, after: str) -> Answer:
        """Return a page of deposits."""
        since, start = _whole(since_us, "since_us"), _whole(after, "after")
        with self.lock:
            found = self._exchange.deposits_since(since)
            page = [_deposit(deposit) for deposit in found[start : start + PAGE]]
        last = start + len(page)
        following = last if last < len(found) else None
        return Answer(200, {"address": self.address, "deposits": page, "next": following})

    def trades(self, since_us: str, client_id: str | None, after: str) -> Answer:
        """Return a page of trades, of one order or of all."""
        since, start = _whole(since_us, "since_us"), _whole(after, "after")
        with self.lock:
            if client_id is None:
                found: Sequence[Trade] = self._exchange.trades_since(since)
            else:
                order = self._exchange.order(client_id)
                found = order.trades if order else ()
            page = [_trade(trade) for trade in found[start : start + PAGE]]
        last = start + len(page)
        return Answer(200, {"trades": page, "next": last if last < len(found) else None})

    def place(self, order: object, whim: Whim) -> Answer:
        """Take an order."""
        if not isinstance(order, dict):
            raise BadRequestError("the body must be an object")
        fixed = {"side": "sell", "type": "limit", "time_in_force": "IOC"}
        if order.keys() != {*fixed, "client_id", "amount_sat", "price"}:
            raise BadRequestError(
                "an order has client_id, side, type, time_in_force, amount_sat, price"
            )
        if any(order[name] != value for name, value in fixed.items()):
            raise BadRequestError("only limit sells that are IOC are taken")
        client_id, amount_sat = order["client_id"], order["amount_sat"]
        if not isinstance(client_id, str) or type(amount_sat) is not int:
            raise BadRequestError("client_id is text, amount_sat a whole number")
        with self.lock:
            done = self._exchange.place(client_id, amount_sat, _tyiyn(order["price"]), whim)
            if isinstance(done, Order):
                body = _order(done)
                if done.state is not State.REJECTED:
                    return Answer(200, body)
                return Answer(400, {"error": "rejected", "message": done.reason, "order": body})
        status = 409 if done is Refusal.DUPLICATE else 400
        return Answer(status, {"error": done, "message": done.replace("_", " ")})

    def order(self, client_id: str) -> Answer:
        """Return an order."""
        with self.lock:
            found = self._exchange.order(client_id)
            return Answer(200, _order(found)) if found else Answer(404, _NOT_FOUND)

    def cancel(self, client_id: str) -> Answer:
        """Cancel what is open of an order."""
        with self.lock:
            found = self._exchange.cancel(client_id)
            return Answer(200, _order(found)) if found else Answer(404, _NOT_FOUND)


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) > US_MAX:
        raise BadRequestError(f"{name} must be a whole number")
    return int(text)


def _tyiyn(price: object) -> int:
    """Read a price; one between two tyiyn is 0, which no market takes."""
    if not isinstance(price, str) or len(price) > PRICE_DIGITS_MAX:
        raise BadRequestError("price must be text in KGS, such as 8000000.00")
    try:
        number = Decimal(price)
    except InvalidOperation:
        raise BadRequestError("price must be a number") from None
    if not number.is_finite() or abs(number.adjusted()) > PRICE_DIGITS_MAX:
        raise BadRequestError("price must be a number")
    tyiyn = number.scaleb(2)
    return int(tyiyn) if tyiyn == tyiyn.to_integral_value() else 0


def _tyiyn_text(tyiyn: int) -> str:
    return f"{tyiyn // 100}.{tyiyn % 100:02d}"


def _fine_text(fine: int) -> str:
    whole, rest = divmod(fine, 10**10)
    return f"{whole}.{rest:010d}"


def _side(quotes: Sequence[Quote]) -> list[tuple[str, int]]:
    return [(_tyiyn_text(quote.price_tyiyn), quote.amount_sat) for quote in quotes]


def _deposit(deposit: Deposit) -> dict[str, Any]:
    return {
        "txid": deposit.txid,
        "vout": deposit.vout,
        "amount_sat": deposit.amount_sat,
        "state": deposit.state,
        "seen_us": deposit.seen_us,
        "credited_us": deposit.credited_us,
        "reason": deposit.reason,
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "order_id": str(order.order_id),
        "client_id": order.client_id,
        "state": order.state,
        "amount_sat": order.amount_sat,
        "filled_sat": order.filled_sat,
        "price": _tyiyn_text(order.limit_tyiyn),
        "at_us": order.at_us,
        "reason": order.reason,
    }


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "trade_id": str(trade.trade_id),
        "order_id": str(trade.order_id),
        "client_id": trade.client_id,
        "amount_sat": trade.amount_sat,
        "price": _tyiyn_text(trade.price_tyiyn),
        "cost": _fine_text(trade.cost_fine),
        "fee": _tyiyn_text(trade.fee_tyiyn),
        "fee_asset": "KGS",
        "at_us": trade.at_us,
    }
