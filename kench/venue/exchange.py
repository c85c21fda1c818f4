"""The exchange itself, pure: deposits, one seller's balance, orders, trades; clock from outside.

Whatever changes is an event: a plain dict that is recorded first and then applied. The same events
applied in the same order make the same exchange, which is how a restart forgets nothing that was
acknowledged. Money is whole: an amount in satoshi times a price in tyiyn for a bitcoin is a cost in
hundred-millionths of a tyiyn ("fine"); fees are whole tyiyn, rounded up.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from kench.pool.clock import Clock
from kench.venue.market import Depth, Market, Quote

FINE_PER_TYIYN = 100_000_000
MILLION = 1_000_000
ORDERS_MAX = 1_000_000
DEPOSITS_MAX = 1_000_000
CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
Event = dict[str, Any]


class State(StrEnum):
    """State of an order."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class DepositState(StrEnum):
    """State of a deposit; a credited one stays so."""

    SEEN = "seen"
    CREDITED = "credited"
    REJECTED = "rejected"


class Refusal(StrEnum):
    """Why an order is not taken; nothing of it is kept, its id can be used again."""

    DUPLICATE = "duplicate_client_id"
    CLIENT_ID = "bad_client_id"
    AMOUNT = "bad_amount"
    MINIMUM = "below_minimum"
    PRICE = "bad_price"
    BALANCE = "insufficient_balance"
    FULL = "too_many_orders"


@dataclass(frozen=True, slots=True)
class Terms:
    """The venue's conditions."""

    fee_ppm: int = 1_500
    minimum_sat: int = 10_000
    step_sat: int = 1
    price_step_tyiyn: int = 1


@dataclass(frozen=True, slots=True)
class Whim:
    """What the venue does with one order beside matching it: this is how faults are ordered."""

    reject: str = ""
    """Reason of a rejection: the order is kept, rejected."""
    take_ppm: int = MILLION
    """No more than this share of the order finds a buyer."""
    defer_us: int = 0
    """The order is taken, stays open so long, and is matched then."""


PLAIN = Whim()


class Trade(NamedTuple):
    """One match."""

    trade_id: int
    order_id: int
    client_id: str
    amount_sat: int
    price_tyiyn: int
    fee_tyiyn: int
    at_us: int

    @property
    def cost_fine(self) -> int:
        """What the buyer paid."""
        return self.amount_sat * self.price_tyiyn


@dataclass(slots=True)
class Order:
    """A limit order, immediate or cancel."""

    order_id: int
    client_id: str
    amount_sat: int
    limit_tyiyn: int
    at_us: int
    state: State = State.OPEN
    filled_sat: int = 0
    reason: str = ""
    due_us: int = 0
    take_sat: int = 0
    trades: list[Trade] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the chain a deposit stands, and how deep it must be."""

    height: int = 0
    block_hash: str = ""
    needed: int = 1
    """Confirmations after which it is credited."""


NOWHERE = Place()


@dataclass(slots=True)
class Deposit:
    """An output that paid the venue's address."""

    txid: str
    vout: int
    amount_sat: int
    seen_us: int
    place: Place = NOWHERE
    state: DepositState = DepositState.SEEN
    credited_us: int | None = None
    reason: str = ""


class Exchange:
    """All that the venue knows. Not safe for several threads at once."""

    def __init__(
        self, clock: Clock, market: Market, terms: Terms, record: Callable[[Event], None]
    ) -> None:
        """Create it empty; `record` makes an event durable or raises, and then nothing changes."""
        self._clock = clock
        self._market = market
        self._record = record
        self.terms = terms
        self.deposits: dict[tuple[str, int], Deposit] = {}
        self.uncredited: dict[tuple[str, int], Deposit] = {}
        """Those of the deposits that are seen and neither credited nor rejected."""
        self.orders: dict[str, Order] = {}
        self.trades: list[Trade] = []
        self.free_sat = 0
        self.held_sat = 0
        self.kgs_fine = 0
        self._waiting: list[Order] = []
        self._taken: dict[int, int] = {}
        self._taken_tick = -1

    def replay(self, events: Iterable[Event]) -> None:
        """Apply what was recorded before."""
        for event in events:
            self._apply(event)

    # What is asked

    def book(self) -> Depth:
        """Return the book of now: that of the market without what our trades of this tick took."""
        self.match_due()
        tick = self._market.tick_of(self._clock.now_us())
        depth = self._market.depth(tick)
        if tick != self._taken_tick:
            return depth
        left = (Quote(price, amount - self._taken.get(price, 0)) for price, amount in depth.bids)
        return Depth(tuple(quote for quote in left if quote.amount_sat > 0), depth.asks)

    def order(self, client_id: str) -> Order | None:
        """Return the order of an id, if there is one."""
        self.match_due()
        return self.orders.get(client_id)

    def trades_since(self, since_us: int) -> list[Trade]:
        """Return all trades at or after a moment."""
        self.match_due()
        return [trade for trade in self.trades if trade.at_us >= since_us]

    def deposits_since(self, since_us: int) -> list[Deposit]:
        """Return deposits first seen at or after a moment, oldest first."""
        return [deposit for deposit in self.deposits.values() if deposit.seen_us >= since_us]

    # What is done

    def place(
        self, client_id: str, amount_sat: int, limit_tyiyn: int, whim: Whim = PLAIN
    ) -> Order | Refusal:
        """Sell what buyers take at `limit_tyiyn` or more, and cancel the rest."""
        self.match_due()
        refusal = self._refusal(client_id, amount_sat, limit_tyiyn)
        if refusal is not None:
            return refusal
        now_us = self._clock.now_us()
        opened: Event = {
            "event": "order",
            "order_id": len(self.orders) + 1,
            "client_id": client_id,
            "amount_sat": amount_sat,
            "limit_tyiyn": limit_tyiyn,
            "at_us": now_us,
        }
        if whim.reject:
            self._do({**opened, "state": State.REJECTED, "reason": whim.reject})
            return self.orders[client_id]
        take_sat = amount_sat * whim.take_ppm // MILLION
        if whim.defer_us:
            due = {"due_us": now_us + whim.defer_us, "take_sat": take_sat}
            self._do({**opened, "state": State.OPEN, **due})
        else:
            self._do({**opened, **self._match(opened, take_sat, now_us)})
        return self.orders[client_id]

    def cancel(self, client_id: str) -> Order | None:
        """Cancel an order that is still open; return it, or None if there is none."""
        order = self.order(client_id)
        if order is not None and order.state is State.OPEN:
            self._do({"event": "closed", "client_id": client_id, "state": State.CANCELLED,
                      "reason": "cancelled by its owner", "trades": []})  # fmt: skip
        return order

    def match_due(self) -> None:
        """Match deferred orders whose time has come."""
        now_us = self._clock.now_us()
        for order in [order for order in self._waiting if order.due_us <= now_us]:
            named = {
                "order_id": order.order_id,
                "client_id": order.client_id,
                "amount_sat": order.amount_sat,
                "limit_tyiyn": order.limit_tyiyn,
            }
            closed = self._match(named, order.take_sat, now_us)
            self._do({"event": "closed", "client_id": order.client_id, **closed})

    def see_deposit(self, txid: str, vout: int, amount_sat: int, place: Place = NOWHERE) -> bool:
        """Note an output that pays us; return whether it is news: new, or in another block."""
        known = self.deposits.get((txid, vout))
        if known is not None and known.state is DepositState.CREDITED:
            return False
        if known is not None and known.state is DepositState.SEEN and known.place == place:
            return False
        if known is None and len(self.deposits) >= DEPOSITS_MAX:
            return False
        self._do({"event": "deposit", "txid": txid, "vout": vout, "amount_sat": amount_sat,
                  "seen_us": known.seen_us if known else self._clock.now_us(),
                  "place": asdict(place)})  # fmt: skip
        return True

    def credit_deposit(self, txid: str, vout: int) -> bool:
        """Give the seller a deposit that is confirmed; return whether it was not given before."""
        deposit = self.deposits.get((txid, vout))
        if deposit is None or deposit.state is not DepositState.SEEN:
            return False
        self._do({"event": "credit", "txid": txid, "vout": vout,
                  "credited_us": self._clock.now_us()})  # fmt: skip
        return True

    def reject_deposit(self, txid: str, vout: int, reason: str) -> bool:
        """Give up a deposit that is not credited; return whether there was one."""
        deposit = self.deposits.get((txid, vout))
        if deposit is None or deposit.state is not DepositState.SEEN:
            return False
        self._do({"event": "reject", "txid": txid, "vout": vout, "reason": reason})
        return True

    def _refusal(self, client_id: str, amount_sat: int, limit_tyiyn: int) -> Refusal | None:
        terms = self.terms
        checks = {
            Refusal.CLIENT_ID: CLIENT_ID.fullmatch(client_id) is None,
            Refusal.DUPLICATE: client_id in self.orders,
            Refusal.AMOUNT: amount_sat <= 0 or amount_sat % terms.step_sat != 0,
            Refusal.MINIMUM: amount_sat < terms.minimum_sat,
            Refusal.PRICE: limit_tyiyn <= 0 or limit_tyiyn % terms.price_step_tyiyn != 0,
            Refusal.BALANCE: amount_sat > self.free_sat,
            Refusal.FULL: len(self.orders) >= ORDERS_MAX,
        }
        return next((refusal for refusal, holds in checks.items() if holds), None)

    def _match(self, order: Event, take_sat: int, now_us: int) -> Event:
        """Return how an order ends against the book of now."""
        left = take_sat
        trades: list[Trade] = []
        for quote in self._bids(now_us):
            if quote.price_tyiyn < order["limit_tyiyn"] or not left:
                break
            amount_sat = min(left, quote.amount_sat)
            left -= amount_sat
            number = len(self.trades) + len(trades) + 1
            fee = self._fee_tyiyn(amount_sat * quote.price_tyiyn)
            trades.append(Trade(number, order["order_id"], order["client_id"], amount_sat,
                                quote.price_tyiyn, fee, now_us))  # fmt: skip
        filled_sat = sum(trade.amount_sat for trade in trades)
        whole = filled_sat == order["amount_sat"]
        return {
            "state": State.FILLED if whole else State.CANCELLED,
            "reason": "" if whole else "nobody takes the rest at this price",
            "trades": [list(trade) for trade in trades],
            "tick": self._market.tick_of(now_us),
        }

    def _bids(self, now_us: int) -> Iterable[Quote]:
        tick = self._market.tick_of(now_us)
        taken = self._taken if tick == self._taken_tick else {}
        for price, amount in self._market.depth(tick).bids:
            if amount > taken.get(price, 0):
                yield Quote(price, amount - taken.get(price, 0))

    def _fee_tyiyn(self, cost_fine: int) -> int:
        fee = -(-cost_fine * self.terms.fee_ppm // (MILLION * FINE_PER_TYIYN))
        return min(fee, cost_fine // FINE_PER_TYIYN)

    def _do(self, event: Event) -> None:
        self._record(event)
        self._apply(event)

    def _apply(self, event: Event) -> None:
        _APPLY[event["event"]](self, event)

    def _apply_deposit(self, event: Event) -> None:
        key = (event["txid"], event["vout"])
        place = Place(**event["place"])
        self.deposits[key] = Deposit(*key, event["amount_sat"], event["seen_us"], place)
        self.uncredited[key] = self.deposits[key]

    def _apply_credit(self, event: Event) -> None:
        deposit = self.deposits[event["txid"], event["vout"]]
        deposit.state = DepositState.CREDITED
        deposit.credited_us = event["credited_us"]
        self.free_sat += deposit.amount_sat
        del self.uncredited[deposit.txid, deposit.vout]

    def _apply_reject(self, event: Event) -> None:
        deposit = self.deposits[event["txid"], event["vout"]]
        deposit.state, deposit.reason = DepositState.REJECTED, event["reason"]
        del self.uncredited[deposit.txid, deposit.vout]

    def _apply_order(self, event: Event) -> None:
        named = ("order_id", "client_id", "amount_sat", "limit_tyiyn", "at_us")
        order = Order(**{name: event[name] for name in named})
        self.orders[order.client_id] = order
        order.state, order.reason = State(event["state"]), event.get("reason", "")
        if order.state is State.REJECTED:
            return
        self.free_sat -= order.amount_sat
        self.held_sat += order.amount_sat
        if order.state is State.OPEN:
            order.due_us, order.take_sat = event["due_us"], event["take_sat"]
            self._waiting.append(order)
        else:
            self._close(order, event)

    def _apply_closed(self, event: Event) -> None:
        order = self.orders[event["client_id"]]
        self._waiting.remove(order)
        order.state, order.reason = State(event["state"]), event["reason"]
        self._close(order, event)

    def _close(self, order: Order, event: Event) -> None:
        if event["trades"] and event["tick"] != self._taken_tick:
            self._taken, self._taken_tick = {}, event["tick"]
        for row in event["trades"]:
            trade = Trade(*row)
            order.trades.append(trade)
            self.trades.append(trade)
            order.filled_sat += trade.amount_sat
            self.kgs_fine += trade.cost_fine - trade.fee_tyiyn * FINE_PER_TYIYN
            taken = self._taken.get(trade.price_tyiyn, 0)
            self._taken[trade.price_tyiyn] = taken + trade.amount_sat
        self.held_sat -= order.amount_sat
        self.free_sat += order.amount_sat - order.filled_sat


_APPLY: dict[str, Callable[[Exchange, Event], None]] = {
    "deposit": Exchange._apply_deposit,
    "credit": Exchange._apply_credit,
    "reject": Exchange._apply_reject,
    "order": Exchange._apply_order,
    "closed": Exchange._apply_closed,
}
