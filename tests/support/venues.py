"""Venues for tests: the paper venue's exchange behind the port, without HTTP, and what it is fed.

rig = direct_rig()
rig.deposit(100_000_000)
rig.quote(("8000000", 50_000_000))
rig.place("a", 20_000_000, Decimal("7990000"))
"""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from kench.pool.clock import Clock, ManualClock
from kench.sale.venues import port
from kench.venue.exchange import (
    FINE_PER_TYIYN,
    PLAIN,
    Deposit,
    Exchange,
    Order,
    Refusal,
    Terms,
    Trade,
    Whim,
)
from kench.venue.market import Quote, SetMarket

TYIYN = Decimal("0.01")
FEE_PPM = 1_500
WINDOW_S = 10
T = TypeVar("T")
_serial = itertools.count(1)


class Outpoint(NamedTuple):
    """Where a deposit came from."""

    txid: str
    vout: int


def fine_kgs(fine: int) -> Decimal:
    """Hundred-millionths of a tyiyn as KGS, exact."""
    return Decimal(fine).scaleb(-10)


@dataclass
class DirectVenue:
    """The port spoken by function calls; every answer goes through the port's own checks."""

    exchange: Exchange
    clock: Clock
    name: str = "paper"
    whims: Callable[[], Whim] = lambda: PLAIN
    told: dict[tuple[str, int], port.Deposit] = field(default_factory=dict)

    def capabilities(self) -> port.Capabilities:
        terms = self.exchange.terms
        step = terms.price_step_tyiyn * TYIYN
        return port.Capabilities(terms.minimum_sat, terms.step_sat, step, client_ids=True,
                                 immediate_or_cancel=True, deposits=True,
                                 request_window_s=WINDOW_S)  # fmt: skip

    def deposits(self, since_us: int) -> Sequence[port.Deposit]:
        return [self._deposit(one) for one in self.exchange.deposits_since(since_us)]

    def _deposit(self, one: Deposit) -> port.Deposit:
        """Tell a deposit; as long as it stays as it is, it is told in the same words."""
        told = self.told.get((one.txid, one.vout))
        if told is None or told.state != one.state:
            told = port.Deposit(one.txid, one.vout, one.amount_sat, port.DepositState(one.state),
                                one.credited_us, _raw(asdict(one)))  # fmt: skip
            self.told[one.txid, one.vout] = told
        return told

    def balance(self) -> port.Balance:
        self.exchange.match_due()
        kgs = fine_kgs(self.exchange.kgs_fine)
        free, held = self.exchange.free_sat, self.exchange.held_sat
        return port.Balance(free, held, kgs, Decimal(0), _raw([free, held, str(kgs)]))

    def book(self) -> port.Book:
        depth = self.exchange.book()
        sides = [
            tuple(port.Level(quote.price_tyiyn * TYIYN, quote.amount_sat) for quote in side)
            for side in depth
        ]
        return port.Book(sides[0], sides[1], self.clock.now_us(), _raw(depth))

    def fees(self) -> port.Fees:
        return port.Fees(self.exchange.terms.fee_ppm, _raw(self.exchange.terms.fee_ppm))

    def place_limit_ioc(
        self, client_id: str, amount_sat: int, limit_price: Decimal, intended_us: int
    ) -> port.OrderView:
        if self.clock.now_us() - intended_us > WINDOW_S * 1_000_000:
            raise port.VenueRefusedError("paper refused the order: outside its window")
        tyiyn = int(limit_price * 100)
        if tyiyn != limit_price * 100:
            raise port.VenueRefusedError("paper refused the order: bad_price")
        done = self.exchange.place(client_id, amount_sat, tyiyn, self.whims())
        if done is Refusal.DUPLICATE:
            raise port.VenueDuplicateError(f"paper has an order {client_id}: look it up")
        if isinstance(done, Refusal):
            raise port.VenueRefusedError(f"paper refused the order: {done}")
        view = self._view(done)
        if view.state is port.OrderState.REJECTED:
            raise port.VenueRefusedError(f"paper rejected the order: {done.reason}")
        return view

    def look_up(self, client_id: str) -> port.OrderView | None:
        order = self.exchange.order(client_id)
        return order and self._view(order)

    def cancel(self, client_id: str) -> port.OrderView | None:
        order = self.exchange.cancel(client_id)
        return order and self._view(order)

    def fills(self, client_id: str) -> Sequence[port.Fill]:
        trades = self.exchange.trades_since(0)
        return [self._fill(trade) for trade in trades if trade.client_id == client_id]

    def fills_since(self, since_us: int) -> Sequence[port.Fill]:
        return [self._fill(trade) for trade in self.exchange.trades_since(since_us)]

    @staticmethod
    def _fill(trade: Trade) -> port.Fill:
        return port.Fill(str(trade.trade_id), trade.client_id, str(trade.order_id),
                         trade.amount_sat, trade.price_tyiyn * TYIYN, fine_kgs(trade.cost_fine),
                         fine_kgs(trade.fee_tyiyn * FINE_PER_TYIYN), port.KGS, trade.at_us,
                         _raw(trade))  # fmt: skip

    def _view(self, order: Order) -> port.OrderView:
        state = port.OrderState(order.state)
        return port.OrderView(order.client_id, str(order.order_id), state, order.amount_sat,
                              order.filled_sat, order.reason, _raw(asdict(order)))  # fmt: skip


class Fault(StrEnum):
    """What may go wrong between us and a venue."""

    LOST_QUESTION = "lost_question"
    LOST_ANSWER = "lost_answer"
    BUSY = "busy"
    REFUSED = "refused"
    GARBLED = "garbled"


@dataclass
class FaultyVenue:
    """A venue behind a bad line: each call may fail as a seeded draw decides."""

    inner: port.Venue
    draw: random.Random
    shares: dict[Fault, float]
    """How often each fault happens, 0 to 1; their sum is at most 1."""
    happened: list[Fault] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.inner.name

    def _fault(self) -> Fault | None:
        point = self.draw.random()
        for fault, share in self.shares.items():
            if point < share:
                self.happened.append(fault)
                return fault
            point -= share
        return None

    def _through(self, call: Callable[[], T], *, refusable: bool = False) -> T:
        fault = self._fault()
        if fault is Fault.LOST_QUESTION:
            raise port.VenueUncertainError(f"{self.name} gave no answer")
        if fault is Fault.BUSY:
            raise port.VenueBusyError(f"{self.name} is busy", 1.0)
        if fault is Fault.REFUSED and refusable:
            raise port.VenueRefusedError(f"{self.name} refused")
        answer = call()
        if fault is Fault.LOST_ANSWER:
            raise port.VenueUncertainError(f"{self.name} gave no answer")
        if fault is Fault.GARBLED:
            raise port.VenueUnreadableError(f"{self.name} spoke nonsense")
        return answer

    def capabilities(self) -> port.Capabilities:
        return self._through(self.inner.capabilities)

    def deposits(self, since_us: int) -> Sequence[port.Deposit]:
        return self._through(lambda: self.inner.deposits(since_us))

    def balance(self) -> port.Balance:
        return self._through(self.inner.balance)

    def book(self) -> port.Book:
        return self._through(self.inner.book)

    def fees(self) -> port.Fees:
        return self._through(self.inner.fees)

    def place_limit_ioc(
        self, client_id: str, amount_sat: int, limit_price: Decimal, intended_us: int
    ) -> port.OrderView:
        return self._through(
            lambda: self.inner.place_limit_ioc(client_id, amount_sat, limit_price, intended_us),
            refusable=True,
        )

    def look_up(self, client_id: str) -> port.OrderView | None:
        return self._through(lambda: self.inner.look_up(client_id))

    def cancel(self, client_id: str) -> port.OrderView | None:
        return self._through(lambda: self.inner.cancel(client_id))

    def fills(self, client_id: str) -> Sequence[port.Fill]:
        return self._through(lambda: self.inner.fills(client_id))

    def fills_since(self, since_us: int) -> Sequence[port.Fill]:
        return self._through(lambda: self.inner.fills_since(since_us))


class Rig(Protocol):
    """A venue and the hands that feed it."""

    @property
    def venue(self) -> port.Venue: ...

    def deposit(self, amount_sat: int, *, credit: bool = True) -> Outpoint: ...

    def quote(self, *bids: tuple[str, int]) -> None: ...

    def whim(self, whim: Whim) -> None: ...

    def advance(self, seconds: float) -> None: ...

    def place(
        self, client_id: str, amount_sat: int, limit_price: Decimal, *, after_s: float = 0.0
    ) -> port.OrderView: ...


@dataclass
class ExchangeRig:
    """Feeds an exchange; whatever speaks to it from outside is `venue`."""

    clock: ManualClock
    market: SetMarket
    exchange: Exchange
    events: list[dict[str, Any]]
    venue: port.Venue = field(init=False)
    next_whims: list[Whim] = field(default_factory=list)

    def deposit(self, amount_sat: int, *, credit: bool = True) -> Outpoint:
        outpoint = Outpoint(f"{next(_serial):064x}", 0)
        self.exchange.see_deposit(*outpoint, amount_sat)
        if credit:
            self.exchange.credit_deposit(*outpoint)
        return outpoint

    def quote(self, *bids: tuple[str, int]) -> None:
        quotes = [Quote(int(Decimal(price) * 100), amount_sat) for price, amount_sat in bids]
        top = quotes[0].price_tyiyn if quotes else 800_000_000
        self.market.set(tuple(quotes), (Quote(top + 10_000, 1_000_000),))

    def whim(self, whim: Whim) -> None:
        """What happens to the next order."""
        self.next_whims.append(whim)

    def take_whim(self) -> Whim:
        return self.next_whims.pop(0) if self.next_whims else PLAIN

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def place(
        self, client_id: str, amount_sat: int, limit_price: Decimal, *, after_s: float = 0.0
    ) -> port.OrderView:
        """Send an order that was intended so long ago."""
        intended_us = self.clock.now_us() - round(after_s * 1_000_000)
        return self.venue.place_limit_ioc(client_id, amount_sat, limit_price, intended_us)


def exchange_rig(terms: Terms | None = None) -> ExchangeRig:
    """An exchange with a set market and a manual clock, behind nothing yet."""
    clock, market = ManualClock(), SetMarket()
    events: list[dict[str, Any]] = []
    exchange = Exchange(clock, market, terms or Terms(fee_ppm=FEE_PPM), events.append)
    rig = ExchangeRig(clock, market, exchange, events)
    rig.quote()
    return rig


def direct_rig(terms: Terms | None = None) -> ExchangeRig:
    """The exchange behind the port, in process."""
    rig = exchange_rig(terms)
    rig.venue = DirectVenue(rig.exchange, rig.clock, whims=rig.take_whim)
    return rig


def _raw(answer: object) -> str:
    return json.dumps(answer, default=str)
