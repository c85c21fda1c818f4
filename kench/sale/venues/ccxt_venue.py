"""The adapter of every exchange that the ccxt library knows.

A refused order is believed only when the venue has none of its id: some venues have one error for
an order that is wrong and for one that is there already. What the library would round, is refused.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any, TypeVar

import ccxt

from kench.pool.api_key import ApiKey
from kench.pool.clock import Clock
from kench.pool.venue_settings import VenueSettings
from kench.sale.venues import ccxt_reading as reading
from kench.sale.venues.ccxt_line import RequestClock, open_exchange, said_by
from kench.sale.venues.port import (
    RAW_CHARACTERS_MAX,
    SATOSHI_PER_BITCOIN,
    Balance,
    Book,
    Capabilities,
    Deposit,
    Fees,
    Fill,
    OrderState,
    OrderView,
    VenueDuplicateError,
    VenueRefusedError,
    VenueUncertainError,
)
from kench.sale.venues.web import Web

T = TypeVar("T")
BOOK_LEVELS = 100
PAGE = 1000
PAGES_MAX = 1000
ORDERS_KNOWN_MAX = 10_000
MARKETS_KEPT_S = 3600.0
DEPOSITS_BACK_US = 89 * 86_400 * 1_000_000
"""Venues tell deposits of the last ninety days."""
NOTIONAL_SLACK = Decimal("1.05")
PAGE_BY_ID = {"binance": "fromId"}
"""Where trades are paged by their ids; elsewhere by time."""


class CcxtVenue:
    """A venue that the library speaks to. Not for several threads at once."""

    def __init__(self, settings: VenueSettings, key: ApiKey, web: Web, clock: Clock) -> None:
        self.name = settings.name
        self._market = settings.market
        self._arrival_s = settings.arrival_s
        self._clock = clock
        self._exchange_id = settings.exchange or ""
        self._moment = RequestClock(clock)
        self._exchange = open_exchange(self._exchange_id, settings.url, key, web, self._moment)
        self._loaded_s: float | None = None
        self._client_ids: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<venue {self.name}: {self._exchange_id} by ccxt>"

    def capabilities(self) -> Capabilities:
        """Return what its market can do."""
        market = self._load_market()
        features = self._exchange.features or {}
        terms = ((features.get("spot") or {}).get("createOrder") or {}).get("timeInForce") or {}
        step_sat, price_step = self._steps(market)
        return Capabilities(
            max(step_sat, self._minimum_sat(market)),
            step_sat,
            price_step,
            client_ids=bool(self._exchange.has.get("fetchOrder")),
            immediate_or_cancel=bool(terms.get("IOC")),
            deposits=bool(self._exchange.has.get("fetchDeposits")),
            request_window_s=self._arrival_s,
        )

    def fees(self) -> Fees:
        """Return what it takes."""
        self._load_market()
        if self._exchange.has.get("fetchTradingFee"):
            fee = self._ask(lambda: self._exchange.fetch_trading_fee(self._market))
        else:
            fee = self._load_market()
        share = reading.money(fee, "taker") * 1_000_000
        return Fees(int(share.to_integral_value(ROUND_CEILING)), reading.raw(fee))

    def book(self) -> Book:
        """Return the order book of now, by our clock where the venue names no moment."""
        self._load_market()
        book = self._ask(lambda: self._exchange.fetch_order_book(self._market, BOOK_LEVELS))
        said_us = book.get("timestamp")
        at_us = said_us * 1000 if isinstance(said_us, int) else self._clock.now_us()
        bids, asks = self._ask(lambda: (reading.levels(book["bids"]), reading.levels(book["asks"])))
        return Book(bids, asks, at_us, self._last_raw())

    def balance(self) -> Balance:
        """Return what it holds for us; what it does not name is nothing."""
        self._load_market()
        held = self._ask(self._exchange.fetch_balance)
        base, quote = (held.get(code) or {} for code in self._market.split("/"))
        nothing = Decimal(0)
        sums = [one[name] if one.get(name) is not None else nothing
                for one in (base, quote) for name in ("free", "used")]  # fmt: skip
        return self._ask(lambda: Balance(
            reading.satoshi(sums[0], floor=True), reading.satoshi(sums[1], floor=True),
            sums[2], sums[3], self._last_raw(),
        ))  # fmt: skip

    def deposits(self, since_us: int) -> Sequence[Deposit]:
        """Return deposits that it saw first at or after this moment, oldest first."""
        self._load_market()
        since_us = max(since_us, self._clock.now_us() - DEPOSITS_BACK_US, 0)
        base = self._market.split("/")[0]
        found: dict[str, Any] = {}
        since_ms = since_us // 1000
        for _ in range(PAGES_MAX):
            start_ms = since_ms
            page = self._ask(lambda: self._exchange.fetch_deposits(base, start_ms, PAGE))  # noqa: B023 - called at once
            fresh = {str(row.get("id") or row.get("txid")): row for row in page}
            news = fresh.keys() - found.keys()
            found |= fresh
            if len(page) < PAGE:
                rows = sorted(found.values(), key=lambda row: row.get("timestamp") or 0)
                read = [self._ask(lambda: reading.deposit(row)) for row in rows]  # noqa: B023 - called at once
                return [one for one in read if one is not None]
            if not news:
                break
            since_ms = max(reading.moment_us(row) for row in page) // 1000
        raise reading.unreadable("its pages have no end")

    def place_limit_ioc(
        self, client_id: str, amount_sat: int, limit_price: Decimal, intended_us: int
    ) -> OrderView:
        """Sell at once what buyers take at this price or more; signed as of `intended_us`."""
        step_sat, price_step = self._steps(self._load_market())
        if amount_sat % step_sat or limit_price % price_step:
            # The library would round them without a word.
            raise VenueRefusedError(
                f"venue {self.name} takes multiples of {step_sat} sat at multiples of {price_step}"
            )
        amount = str(Decimal(amount_sat) / SATOSHI_PER_BITCOIN)
        terms = {"timeInForce": "IOC", "clientOrderId": client_id}
        try:
            with self._moment.standing_at(intended_us):
                placed = self._ask(lambda: self._exchange.create_order(
                    self._market, "limit", "sell", amount, f"{limit_price:f}", terms))  # fmt: skip
        except (VenueRefusedError, ccxt.OrderNotFound) as error:
            raise self._believe(client_id, error) from error
        if placed.get("status") is None or placed.get("amount") is None:
            view = self.look_up(client_id)
            if view is None:
                raise VenueUncertainError(
                    f"venue {self.name} took {client_id} and has no such order"
                )
        else:
            view = self._view(placed, client_id)
        if view.amount_sat != amount_sat:
            raise reading.unreadable("the order has another amount than was sent")
        if view.state is OrderState.REJECTED:
            raise VenueRefusedError(f"venue {self.name} rejected {client_id}: {view.reason}")
        return view

    def look_up(self, client_id: str) -> OrderView | None:
        """Return the order of this id; None if the venue has none."""
        self._load_market()
        try:
            order = self._ask(lambda: self._exchange.fetch_order(
                None, self._market, {"clientOrderId": client_id}))  # fmt: skip
        except ccxt.OrderNotFound:
            return None
        return self._view(order, client_id)

    def cancel(self, client_id: str) -> OrderView | None:
        """Cancel what is open of an order and return it, as it is then."""
        self._load_market()
        # Not found: it has ended, or never was; a look tells.
        with contextlib.suppress(ccxt.OrderNotFound):
            self._ask(lambda: self._exchange.cancel_order(
                None, self._market, {"clientOrderId": client_id}))  # fmt: skip
        return self.look_up(client_id)

    def fills(self, client_id: str) -> Sequence[Fill]:
        """Return the trades of an order, oldest first."""
        view = self.look_up(client_id)
        if view is None:
            return []
        rows = self._trades(None, {"orderId": view.venue_order_id})
        if any(row.get("order") != view.venue_order_id for row in rows):
            raise reading.unreadable("trades of another order were told")
        return [self._ask(lambda: reading.fill(row, client_id)) for row in rows]  # noqa: B023 - called at once

    def fills_since(self, since_us: int) -> Sequence[Fill]:
        """Return all our trades at or after this moment, oldest first."""
        self._load_market()
        rows = self._trades(since_us // 1000, {})
        found = [
            self._ask(lambda: reading.fill(row, self._client_id_of(reading.text(row, "order"))))  # noqa: B023 - called at once
            for row in rows
        ]
        return [fill for fill in found if fill.at_us >= since_us // 1000 * 1000]

    def _trades(self, since_ms: int | None, more: dict[str, Any]) -> list[Any]:
        """Return the rows of all pages, oldest first, none twice."""
        found: dict[str, Any] = {}
        for page in self._trade_pages(since_ms, more):
            for row in page:
                known = found.setdefault(reading.text(row, "id"), row)
                if known.get("info") != row.get("info"):
                    raise reading.unreadable("one trade comes twice, and differs")
        return list(found.values())

    def _trade_pages(self, since_ms: int | None, more: dict[str, Any]) -> Iterator[list[Any]]:
        by_id = PAGE_BY_ID.get(self._exchange_id)
        params, last = dict(more), ""
        for _ in range(PAGES_MAX):
            since, asked = since_ms, dict(params)
            page = self._ask(lambda: self._exchange.fetch_my_trades(
                self._market, since, PAGE, asked))  # noqa: B023  # fmt: skip
            yield page
            if len(page) < PAGE:
                return
            newest = reading.text(page[-1], "id")
            if newest == last:
                break
            last = newest
            if by_id is None:
                since_ms = reading.moment_us(page[-1]) // 1000
            else:
                since_ms, params = None, {**more, by_id: str(int(newest) + 1)}
        raise reading.unreadable("its pages have no end")

    def _client_id_of(self, venue_order_id: str) -> str:
        """Return our id of an order that the venue names by its own."""
        if venue_order_id not in self._client_ids:
            order = self._ask(lambda: self._exchange.fetch_order(venue_order_id, self._market))
            self._know(venue_order_id, reading.text(order, "clientOrderId"))
        return self._client_ids[venue_order_id]

    def _know(self, venue_order_id: str, client_id: str) -> None:
        if len(self._client_ids) >= ORDERS_KNOWN_MAX:
            self._client_ids.clear()
        self._client_ids[venue_order_id] = client_id

    def _view(self, order: Any, client_id: str) -> OrderView:
        view = self._ask(lambda: reading.order_view(order, client_id))
        self._know(view.venue_order_id, client_id)
        return view

    def _believe(self, client_id: str, refusal: Exception) -> Exception:
        """Return what a refusal means, after a look whether the order is there after all."""
        known = self.look_up(client_id)
        if known is not None and known.state is not OrderState.REJECTED:
            return VenueDuplicateError(f"venue {self.name} has {client_id} already: look it up")
        if isinstance(refusal, VenueRefusedError):
            return refusal
        return VenueRefusedError(f"venue {self.name} refused {client_id}")

    def _load_market(self) -> Any:
        """Return the market, its terms at most an hour old."""
        now_s = self._clock.monotonic()
        stale = self._loaded_s is None or now_s - self._loaded_s >= MARKETS_KEPT_S
        if stale:
            self._ask(lambda: self._exchange.load_markets(True))
            self._loaded_s = now_s
        return self._ask(lambda: self._exchange.market(self._market))

    def _steps(self, market: Any) -> tuple[int, Decimal]:
        """Return in what steps amounts and prices go."""
        steps = [reading.money(market["precision"], name) for name in ("amount", "price")]
        if self._exchange.precisionMode == ccxt.DECIMAL_PLACES:
            steps = [Decimal(1).scaleb(-int(places)) for places in steps]
        elif self._exchange.precisionMode != ccxt.TICK_SIZE:
            raise VenueRefusedError(f"venue {self.name} has no fixed steps: it cannot be sold on")
        # A venue may take parts of a satoshi; there are none to sell.
        return max(1, reading.satoshi(steps[0], floor=True)), steps[1]

    def _minimum_sat(self, market: Any) -> int:
        """Return the least to sell; where it is a sum of money, at the best price of now."""
        limits = market.get("limits") or {}
        least = (limits.get("amount") or {}).get("min") or Decimal(0)
        cost = (limits.get("cost") or {}).get("min") or Decimal(0)
        minimum_sat = reading.satoshi(least, floor=True)
        if cost > 0 and (bids := self.book().bids):
            needed = cost * NOTIONAL_SLACK * SATOSHI_PER_BITCOIN / bids[0].price
            minimum_sat = max(minimum_sat, int(needed.to_integral_value(ROUND_CEILING)))
        return minimum_sat

    def _last_raw(self) -> str:
        return str(self._exchange.last_http_response)[:RAW_CHARACTERS_MAX]

    def _ask(self, question: Callable[[], T]) -> T:
        return said_by(self.name, self._exchange, question)
