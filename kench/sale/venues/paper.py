"""The adapter of `kench venue`, the paper venue."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from kench.pool.api_key import ApiKey
from kench.pool.clock import Clock
from kench.sale.venues.port import (
    RAW_CHARACTERS_MAX,
    Balance,
    Book,
    Capabilities,
    Deposit,
    DepositState,
    Fees,
    Fill,
    Level,
    OrderState,
    OrderView,
    VenueBusyError,
    VenueDuplicateError,
    VenueRefusedError,
    VenueUncertainError,
    VenueUnreadableError,
    told,
)
from kench.sale.venues.web import Web, WebAnswer

PAGES_MAX = 10_000
RETRY_S_MAX = 3600.0
REPLAYED = "nonce_used"
"""What the venue says to a request that it had before."""
T = TypeVar("T", bound=msgspec.Struct)


class _Market(msgspec.Struct):
    minimum_sat: int
    step_sat: int
    price_step: Decimal
    taker_fee_ppm: int
    request_window_s: int


class _Book(msgspec.Struct):
    at_us: int
    bids: list[tuple[Decimal, int]]
    asks: list[tuple[Decimal, int]]


class _Coins(msgspec.Struct):
    free_sat: int
    held_sat: int


class _Money(msgspec.Struct):
    free: Decimal
    held: Decimal


class _Balance(msgspec.Struct):
    btc: _Coins = msgspec.field(name="BTC")
    kgs: _Money = msgspec.field(name="KGS")


class _Order(msgspec.Struct):
    order_id: str
    client_id: str
    state: OrderState
    amount_sat: int
    filled_sat: int
    reason: str


class _Deposit(msgspec.Struct):
    txid: str
    vout: int
    amount_sat: int
    state: DepositState
    credited_us: int | None


class _Trade(msgspec.Struct):
    trade_id: str
    order_id: str
    client_id: str
    amount_sat: int
    price: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str
    at_us: int


class _DepositPage(msgspec.Struct):
    deposits: list[msgspec.Raw]
    next: int | None


class _TradePage(msgspec.Struct):
    trades: list[msgspec.Raw]
    next: int | None


class _Fault(msgspec.Struct):
    error: str
    message: str = ""


class PaperVenue:
    """A paper venue at a URL. Not for several threads at once."""

    def __init__(self, name: str, url: str, key: ApiKey, web: Web, clock: Clock) -> None:
        self.name = name
        self._url = url
        self._key = key
        self._web = web
        self._clock = clock

    def __repr__(self) -> str:
        return f"<paper venue {self.name} at {self._url}>"

    def capabilities(self) -> Capabilities:
        """Return what its market can do."""
        answer = self._ask_openly("/v1/market")
        market = self._read(answer, _Market)
        return Capabilities(
            market.minimum_sat,
            market.step_sat,
            market.price_step,
            client_ids=True,
            immediate_or_cancel=True,
            deposits=True,
            request_window_s=market.request_window_s,
        )

    def fees(self) -> Fees:
        """Return what it takes."""
        answer = self._ask_openly("/v1/market")
        return Fees(self._read(answer, _Market).taker_fee_ppm, _raw(answer.body))

    def book(self) -> Book:
        """Return the order book of now."""
        answer = self._ask_openly("/v1/book")
        book = self._read(answer, _Book)
        bids, asks = (tuple(Level(*level) for level in side) for side in (book.bids, book.asks))
        return Book(bids, asks, book.at_us, _raw(answer.body))

    def balance(self) -> Balance:
        """Return what it holds for us."""
        answer = self._ask("GET", "/v1/balance")
        held = self._read(answer, _Balance)
        return Balance(
            held.btc.free_sat, held.btc.held_sat, held.kgs.free, held.kgs.held, _raw(answer.body)
        )

    def deposits(self, since_us: int) -> Sequence[Deposit]:
        """Return deposits that it saw first at or after this moment, oldest first."""
        found = []
        for raw in self._rows("/v1/deposits", {"since_us": since_us}, _DepositPage):
            one = self._decode(raw, _Deposit)
            found.append(
                Deposit(one.txid, one.vout, one.amount_sat, one.state, one.credited_us, _raw(raw))
            )
        if len({(one.txid, one.vout) for one in found}) < len(found):
            raise self._unreadable("one deposit comes twice")
        return found

    def place_limit_ioc(
        self, client_id: str, amount_sat: int, limit_price: Decimal, intended_us: int
    ) -> OrderView:
        """Sell at once what buyers take at this price or more; signed as of `intended_us`."""
        order = {
            "client_id": client_id,
            "side": "sell",
            "type": "limit",
            "time_in_force": "IOC",
            "amount_sat": amount_sat,
            "price": f"{limit_price:f}",
        }
        answer = self._ask("POST", "/v1/orders", json.dumps(order).encode(), made_us=intended_us)
        view = self._view(answer, client_id)
        if view.amount_sat != amount_sat:
            raise self._unreadable("the order has another amount than was sent")
        if view.state is OrderState.REJECTED:
            raise VenueRefusedError(f"venue {self.name} rejected {client_id}: {view.reason}")
        return view

    def look_up(self, client_id: str) -> OrderView | None:
        """Return the order of this id; None if the venue has none."""
        return self._view_or_none("GET", client_id)

    def cancel(self, client_id: str) -> OrderView | None:
        """Cancel what is open of an order and return it."""
        return self._view_or_none("DELETE", client_id)

    def fills(self, client_id: str) -> Sequence[Fill]:
        """Return the trades of an order, oldest first."""
        fills = self._fills({"client_id": client_id})
        if any(fill.client_id != client_id for fill in fills):
            raise self._unreadable("trades of another order were told")
        return fills

    def fills_since(self, since_us: int) -> Sequence[Fill]:
        """Return all our trades at or after this moment, oldest first."""
        return self._fills({"since_us": since_us})

    def _fills(self, query: dict[str, str | int]) -> list[Fill]:
        found = []
        for raw in self._rows("/v1/trades", query, _TradePage):
            one = self._decode(raw, _Trade)
            found.append(
                Fill(one.trade_id, one.client_id, one.order_id, one.amount_sat, one.price,
                     one.cost, one.fee, one.fee_asset, one.at_us, _raw(raw))
            )  # fmt: skip
        if len({fill.trade_id for fill in found}) < len(found):
            raise self._unreadable("one trade comes twice")
        return found

    def _rows(
        self, path: str, query: dict[str, str | int], kind: type[_DepositPage | _TradePage]
    ) -> Iterator[bytes]:
        """Yield the rows of all pages."""
        after = 0
        for _ in range(PAGES_MAX):
            answer = self._ask("GET", f"{path}?{urlencode({**query, 'after': after})}")
            page = self._read(answer, kind)
            rows = page.deposits if isinstance(page, _DepositPage) else page.trades
            yield from (bytes(row) for row in rows)
            if page.next is None:
                return
            if page.next <= after:
                break
            after = page.next
        raise self._unreadable("its pages have no end")

    def _view_or_none(self, method: str, client_id: str) -> OrderView | None:
        answer = self._ask(method, f"/v1/orders/{client_id}", may_be_unknown=True)
        return None if answer.status == 404 else self._view(answer, client_id)

    def _view(self, answer: WebAnswer, client_id: str) -> OrderView:
        order = self._read(answer, _Order)
        if order.client_id != client_id:
            raise self._unreadable("it tells of another order")
        return OrderView(client_id, order.order_id, order.state, order.amount_sat,
                         order.filled_sat, told(order.reason), _raw(answer.body))  # fmt: skip

    def _ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        may_be_unknown: bool = False,
        made_us: int | None = None,
    ) -> WebAnswer:
        """Return an answer of status 200, or the 404 of an unknown order; raises VenueError.

        It is signed as of `made_us`, or of now.
        """
        moment_us = self._clock.now_us() if made_us is None else made_us
        headers = self._signed(method, target, body, moment_us)
        if body:
            headers["Content-Type"] = "application/json"
        answer = self._web.ask(method, self._url + target, headers, body)
        return self._accept(answer, may_be_unknown=may_be_unknown)

    def _ask_openly(self, target: str) -> WebAnswer:
        """Return an answer that needs no signature; raises VenueError."""
        return self._accept(self._web.ask("GET", self._url + target, {}))

    def _accept(self, answer: WebAnswer, *, may_be_unknown: bool = False) -> WebAnswer:
        """Return an answer as it came, or raise what it means."""
        if answer.status == 200:
            return answer
        fault = self._fault(answer)
        if may_be_unknown and answer.status == 404 and fault.error == "unknown_order":
            return answer
        words = told(f"{fault.error}: {fault.message}")
        if answer.status == 429:
            raise VenueBusyError(f"venue {self.name} is busy ({words})", _retry_s(answer))
        if answer.status == 409:
            raise VenueDuplicateError(f"venue {self.name} knows this order already: look it up")
        if fault.error == REPLAYED:
            # The same bytes came twice: what became of the first of them is not told here.
            raise VenueUncertainError(f"venue {self.name} had this request before: look it up")
        if answer.status in (400, 401, 403, 413):
            raise VenueRefusedError(f"venue {self.name} refused ({words})")
        raise self._unreadable(f"status {answer.status} ({words})")

    def _fault(self, answer: WebAnswer) -> _Fault:
        """Read why it said no; something that is not the venue may have spoken in its place."""
        if answer.status >= 500:
            raise VenueUncertainError(f"venue {self.name} broke down (status {answer.status})")
        try:
            return msgspec.json.decode(answer.body, type=_Fault)
        except (msgspec.MsgspecError, ValueError) as error:
            raise VenueUncertainError(
                f"status {answer.status} did not come from venue {self.name}: see its url"
            ) from error

    def _signed(self, method: str, target: str, body: bytes, moment_us: int) -> dict[str, str]:
        moment, nonce = str(moment_us), secrets.token_hex(16)
        said = "\n".join((method, target, moment, nonce, hashlib.sha256(body).hexdigest()))
        digest = hmac.new(self._key.secret.encode(), said.encode(), hashlib.sha256)
        return {
            "Kench-Key": self._key.key,
            "Kench-Moment": moment,
            "Kench-Nonce": nonce,
            "Kench-Signature": digest.hexdigest(),
        }

    def _read(self, answer: WebAnswer, kind: type[T]) -> T:
        return self._decode(answer.body, kind)

    def _decode(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise self._unreadable("it is not of the form that was agreed") from error

    def _unreadable(self, why: str) -> VenueUnreadableError:
        return VenueUnreadableError(f"an answer of venue {self.name} cannot be believed: {why}")


def _raw(body: bytes) -> str:
    return body.decode(errors="replace")[:RAW_CHARACTERS_MAX]


def _retry_s(answer: WebAnswer) -> float:
    text = answer.headers.get("retry-after", "")
    whole = text.isascii() and text.isdecimal() and len(text) <= 6
    return min(RETRY_S_MAX, float(text)) if whole else 1.0
