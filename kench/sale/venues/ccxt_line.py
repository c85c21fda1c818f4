"""How the ccxt library reaches a venue: through our own bounded HTTP, and what its errors mean.

The library signs requests and knows each venue's addresses and answers. It retries nothing here,
reads no number through a float, and can reach no other host than the one that settings name.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar

import ccxt

from kench.pool.api_key import ApiKey
from kench.pool.clock import Clock
from kench.sale.venues.port import (
    VenueBusyError,
    VenueDuplicateError,
    VenueError,
    VenueRefusedError,
    VenueUncertainError,
    VenueUnreadableError,
    told,
)
from kench.sale.venues.web import Web, WebAnswer

RETRY_S = 10.0
RETRY_S_MAX = 3600.0
T = TypeVar("T")

# Numbers with such exponents are no amounts; making an integer of one would never end.
_WILD_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d*)?[eE][-+]?\d{4,}(?!\w)")
_HOST = re.compile(r"^https?://[^/]+")
_URL = re.compile(r"https?://\S+")
_REFUSALS = (
    ccxt.AuthenticationError,
    ccxt.ArgumentsRequired,
    ccxt.BadRequest,
    ccxt.OperationRejected,
    ccxt.InsufficientFunds,
    ccxt.InvalidOrder,
    ccxt.InvalidNonce,
    ccxt.NotSupported,
)
_MISREADINGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# What the library would also load or ask for, and a spot sale has no need of.
_OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
    }
}


class UnknownExchangeError(VenueRefusedError):
    """The library knows no exchange of this name."""


class RequestClock:
    """The moment at which requests say they were made: now, or an earlier one for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._set_us: int | None = None

    def now_us(self) -> int:
        """Return Unix microseconds."""
        return self._clock.now_us() if self._set_us is None else self._set_us

    @contextlib.contextmanager
    def standing_at(self, moment_us: int) -> Iterator[None]:
        """Have what is asked meanwhile say that it was made then."""
        self._set_us = moment_us
        try:
            yield
        finally:
            self._set_us = None


def open_exchange(
    exchange_id: str, url: str | None, key: ApiKey, web: Web, clock: RequestClock
) -> Any:
    """Return the library's exchange with its HTTP replaced; raises UnknownExchangeError."""
    if exchange_id not in ccxt.exchanges:
        raise UnknownExchangeError(
            f"ccxt knows no exchange {exchange_id}: correct `exchange` of the venue in settings"
        )
    known = getattr(ccxt, exchange_id)

    class Exchange(known):  # type: ignore[misc, valid-type]  # which class it is, settings say
        """The library's exchange, asking through `web`."""

        def fetch(
            self,
            url: str,
            method: str = "GET",
            headers: dict[str, str] | None = None,
            body: str | None = None,
        ) -> Any:
            """Send one request and return its answer decoded."""
            sent_headers = {
                name: str(value) for name, value in self.prepare_request_headers(headers).items()
            }
            place = _HOST.sub(base, url) if base else url
            answer = web.ask(method, place, sent_headers, (body or "").encode())
            return _decode(self, answer, (url, method, sent_headers, body))

        # All that requests are signed with, be it called a moment or a nonce, is one of these.

        def microseconds(self) -> int:
            """Return the moment of requests."""
            return clock.now_us()

        def milliseconds(self) -> int:
            """Return the moment of requests."""
            return clock.now_us() // 1_000

        def seconds(self) -> int:
            """Return the moment of requests."""
            return clock.now_us() // 1_000_000

        def parse_order_book_bid_ask(
            self,
            bidask: Any,
            priceKey: Any = 0,  # noqa: N803 - the library's names
            amountKey: Any = 1,  # noqa: N803 - the signature of the library
            countOrIdKey: Any = 2,  # noqa: N803, ARG002 - the signature of the library
        ) -> list[Any]:
            """Read a level of the book; the library's own way goes through a float."""
            return [self.safe_number(bidask, priceKey), self.safe_number(bidask, amountKey)]

    base = url or ""
    return Exchange({
        "apiKey": key.key,
        "secret": key.secret,
        "password": key.password or None,
        "uid": key.uid or None,
        "number": Decimal,
        "options": {"defaultType": "spot", **_OPTIONS.get(exchange_id, {})},
        # The sale asks seldom, and goes by the venue's own word when it is too often.
        "enableRateLimit": False,
    })  # fmt: skip


def _decode(exchange: Any, answer: WebAnswer, asked: tuple[Any, ...]) -> Any:
    url, method, headers, body = asked
    text = answer.body.decode(errors="replace")
    if _WILD_NUMBER.search(text):
        raise VenueUnreadableError("an answer has a number beyond all amounts; ask the venue")
    decoded = None
    if text.lstrip()[:1] in ("{", "["):
        try:
            # Numbers stay text until they become Decimal; NaN and its like are refused.
            decoded = json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            if answer.status < 400:
                raise VenueUnreadableError("an answer is no whole JSON; ask the venue") from error
    exchange.last_http_response = text
    exchange.last_response_headers = answer.headers
    handled = (answer.status, "", url, method, answer.headers, text, decoded, headers, body)
    exchange.handle_errors(*handled)
    if answer.status >= 400:
        exchange.handle_http_status_code(answer.status, "", url, method, text)
        raise ccxt.ExchangeError(f"status {answer.status}")
    if answer.status != 200 or decoded is None:
        raise VenueUnreadableError(f"an answer of status {answer.status} is no JSON: see its url")
    return decoded


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def said_by(name: str, exchange: Any, ask: Callable[[], T]) -> T:
    """Ask, and turn whatever the library raises into what is known of the question.

    OrderNotFound stays as it is: whoever looks an order up knows what it means.
    """
    try:
        return ask()
    except (VenueError, ccxt.OrderNotFound):
        raise
    except ccxt.BaseError as error:
        raise _meaning(name, exchange, error) from error
    except _MISREADINGS as error:
        raise VenueUnreadableError(
            f"an answer of venue {name} cannot be read ({type(error).__name__}); ask the venue"
        ) from error


def _meaning(name: str, exchange: Any, error: ccxt.BaseError) -> VenueError:
    """Return our error; the kinds are in the order in which the library nests them."""
    words = f"{type(error).__name__}: {told(_URL.sub('', str(error)))}"
    if isinstance(error, ccxt.DuplicateOrderId):
        return VenueDuplicateError(f"venue {name} knows this order already: look it up")
    if isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection)):
        return VenueBusyError(f"venue {name} is busy ({words})", _retry_s(exchange))
    if isinstance(error, ccxt.BadResponse):
        return VenueUnreadableError(f"an answer of venue {name} cannot be read ({words})")
    if isinstance(error, _REFUSALS):
        return VenueRefusedError(f"venue {name} refused ({words})")
    return VenueUncertainError(f"venue {name} did not say what it did ({words})")


def _retry_s(exchange: Any) -> float:
    text = str((exchange.last_response_headers or {}).get("retry-after", ""))
    whole = text.isascii() and text.isdecimal() and len(text) <= 6
    return min(RETRY_S_MAX, float(text)) if whole else RETRY_S
