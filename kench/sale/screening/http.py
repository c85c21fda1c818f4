"""The screening port over HTTP: register a transfer, poll its check; each request is signed.

    POST /v1/transfers/register  {"client_id", "network", "tx_hash", "vout", "output_address", ...}
    GET  /v1/transfers/{id}      {"id", "client_id", "check_state", "risk_score", "risk_level", ...}

`API-SIGNATURE` is base64 of HMAC-SHA256 over method, path, milliseconds and body, a line each.
Every answer has bounds: time in all, bytes, and a strict reading. What does not fit is no answer.
"""

import base64
import hashlib
import hmac
import json
import re
from decimal import ROUND_CEILING, Decimal
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx

from kench.pool.clock import Clock
from kench.sale.screening.port import (
    SCORE_BP_MAX,
    Check,
    CheckState,
    ScreeningBusyError,
    ScreeningRefusedError,
    ScreeningUncertainError,
    ScreeningUnreadableError,
    Transfer,
)

ANSWER_BYTES_MAX = 1 << 20
RETRY_AFTER_S_MAX = 3600.0
SIGNALS_MAX = 200
ALERTS_MAX = 100
TEXT_MAX = 200
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,30})?")
DIRECTION = "incoming"
"""As the venue sees it: the coins come in there."""


class HttpScreening:
    """A provider behind a URL."""

    def __init__(  # noqa: PLR0913 - what names the provider and what bounds it
        self,
        provider: str,
        url: str,
        key_id: str,
        secret: str,
        clock: Clock,
        *,
        timeout_s: float = 10.0,
        network: str = "bitcoin",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Create it; nothing is sent yet."""
        self._provider = provider
        self._path = urlsplit(url).path.rstrip("/")
        self._key_id, self._secret = key_id, secret.encode()
        self._clock, self._timeout_s, self._network = clock, timeout_s, network
        # The environment's proxies and .netrc are not ours to follow.
        self._client = httpx.Client(
            base_url=url,
            timeout=timeout_s,
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    @property
    def provider(self) -> str:
        """Name of the provider as orders write it."""
        return self._provider

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def register(self, transfer: Transfer) -> str:
        """Hand a transfer over; return the id of its check. Twice is once."""
        body = {
            "client_id": transfer.reference,
            "direction": DIRECTION,
            "network": self._network,
            "tx_hash": transfer.txid,
            "vout": transfer.vout,
            "output_address": transfer.address,
            "token_id": transfer.asset,
            "amount_sat": transfer.amount_sat,
        }
        raw = self._ask("POST", "/v1/transfers/register", json.dumps(body).encode())
        answer = _object(raw)
        if answer.get("client_id") != transfer.reference:
            _unreadable("it registered another transfer than it was given")
        return _id_of(answer)

    def get(self, check_id: str) -> Check:
        """Return the check as it stands now."""
        if not _ID.fullmatch(check_id):
            raise ScreeningUnreadableError(f"{check_id[:80]!r} is no id of a check")
        raw = self._ask("GET", f"/v1/transfers/{check_id}")
        answer = _object(raw)
        if _id_of(answer) != check_id:
            _unreadable("it answered about another check")
        return Check(
            state=_state(answer),
            score_bp=_score_bp(answer.get("risk_score")),
            level=_text(answer.get("risk_level", "undefined"), "risk_level"),
            provider=self._provider,
            provider_ref=check_id,
            reference=_text(answer.get("client_id"), "client_id"),
            raw=raw.decode(),
            raw_sha256=hashlib.sha256(raw).digest(),
            signals=_signals(answer.get("signals", {})),
            alerts=_alerts(answer.get("alerts", [])),
        )

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send one request; return the whole body of its answer. All in one bound of time."""
        deadline = self._clock.monotonic() + self._timeout_s
        headers = self._headers(method, self._path + path, body)
        try:
            with self._client.stream(
                method, path, content=body or None, headers=headers
            ) as response:
                answer = self._read(response, deadline)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise ScreeningUncertainError(
                f"screening provider {self._provider} gives no answer ({type(error).__name__}): "
                "see that screening_url is right and the provider serves"
            ) from error
        if response.status_code != httpx.codes.OK:
            self._fault(response)
        return answer

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        pieces = bytearray()
        for piece in response.iter_bytes():
            pieces += piece
            if len(pieces) > ANSWER_BYTES_MAX:
                _unreadable(f"it answered with more than {ANSWER_BYTES_MAX} bytes")
            if self._clock.monotonic() > deadline:
                raise ScreeningUncertainError(
                    f"screening provider {self._provider} took longer than {self._timeout_s:g} s"
                )
        return bytes(pieces)

    def _fault(self, response: httpx.Response) -> NoReturn:
        status, name = response.status_code, f"screening provider {self._provider}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise ScreeningBusyError(
                f"{name} asks us to come later", _retry_after_s(response.headers)
            )
        if httpx.codes.is_client_error(status):
            raise ScreeningRefusedError(
                f"{name} refuses our request (HTTP {status}): check screening_key_id and "
                "screening_secret, and this machine's clock"
            )
        raise ScreeningUncertainError(f"{name} failed (HTTP {status})")

    def _headers(self, method: str, endpoint: str, body: bytes) -> dict[str, str]:
        stamp = str(self._clock.now_us() // 1000)
        signed = "\n".join((method, endpoint, stamp)).encode() + (b"\n" + body if body else b"")
        signature = hmac.new(self._secret, signed, hashlib.sha256).digest()
        return {
            "API-KEY-ID": self._key_id,
            "API-TIMESTAMP": stamp,
            "API-SIGNATURE": base64.b64encode(signature).decode(),
            "Content-Type": "application/json",
            # Compressed bytes would have to be bounded twice.
            "Accept-Encoding": "identity",
        }


def _unreadable(what: str) -> NoReturn:
    raise ScreeningUnreadableError(f"the screening provider's answer cannot be relied on: {what}")


def _refuse_constant(name: str) -> NoReturn:
    _unreadable(f"{name} is no number")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _unreadable("a key stands twice in it")
    return found


def _object(raw: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(
            raw.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_pairs,
        )
    except (ValueError, RecursionError):
        _unreadable("it is no JSON")
    if not isinstance(answer, dict):
        _unreadable("it is no JSON object")
    return answer


def _id_of(answer: dict[str, Any]) -> str:
    id_ = answer.get("id")
    if not isinstance(id_, str) or not _ID.fullmatch(id_):
        _unreadable("it has no id")
    return id_


def _state(answer: dict[str, Any]) -> CheckState:
    try:
        return CheckState(str(answer.get("check_state")))
    except ValueError:
        _unreadable("check_state is none that we know")


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        _unreadable(f"{name} is no short text")
    return value


def _number(value: object, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        _unreadable(f"{name} is no number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        _unreadable(f"{name} is no number")
    number = Decimal(value)
    if not number.is_finite() or not -1000 < number < 1000:  # far beyond any share
        _unreadable(f"{name} is beyond all bounds")
    return number


def _score_bp(value: object) -> int | None:
    """A share of one in basis points, rounded up: doubt counts against the coins."""
    if value is None:
        return None
    score = _number(value, "risk_score") * SCORE_BP_MAX
    return int(score.to_integral_value(rounding=ROUND_CEILING))


def _signals(value: object) -> dict[str, Decimal]:
    if not isinstance(value, dict) or len(value) > SIGNALS_MAX:
        _unreadable("signals are no small object")
    return {_text(name, "a signal"): _number(share, "a signal") for name, share in value.items()}


def _alerts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > ALERTS_MAX:
        _unreadable("alerts are no short array")
    return tuple(_text(alert, "an alert") for alert in value)


def _retry_after_s(headers: httpx.Headers) -> float:
    words = headers.get("Retry-After", "")
    seconds = float(words) if words.isascii() and words.isdigit() and len(words) < 9 else 1.0
    return min(seconds, RETRY_AFTER_S_MAX)
