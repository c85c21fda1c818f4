"""Who may trade: requests carry a key, a moment, a nonce, and an HMAC-SHA256 over all they say.

Signed is `METHOD\\ntarget\\nmoment\\nnonce\\nSHA-256 of the body`, in hex where it is bytes; the
target is path and query as sent. A moment outside the window and a nonce seen before are refused.
"""

import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum

from kench.pool.clock import Clock

AHEAD_US = 1_000_000
"""A client's clock may be ahead of ours by so much."""
NONCES_MAX = 100_000
NONCE_MAX = 64


class Denial(StrEnum):
    """Why a request is not let in."""

    UNSIGNED = "unsigned"
    KEY = "unknown_key"
    WINDOW = "outside_window"
    SIGNATURE = "bad_signature"
    REPLAY = "nonce_used"
    FULL = "too_many_nonces"


def signed_text(method: str, target: str, moment: str, nonce: str, body: bytes) -> str:
    """Return what a request's signature is over."""
    return "\n".join((method, target, moment, nonce, hashlib.sha256(body).hexdigest()))


def signature(secret: str, text: str) -> str:
    """Return the HMAC of a text, in hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Doorkeeper:
    """Checks requests; it remembers nonces for as long as their moment is inside the window."""

    def __init__(self, clock: Clock, keys: Mapping[str, str], window_s: int) -> None:
        """`keys` has the secret of each key."""
        self._clock = clock
        self._keys = keys
        self._window_us = window_s * 1_000_000
        self._nonces: dict[tuple[str, str], int] = {}

    def judge(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Denial | None:
        """Return why a request is not let in, or None when it is: then its nonce is used up."""
        given = [headers.get(f"kench-{name}", "") for name in ("key", "moment", "nonce")]
        key, moment, nonce = given
        signed = headers.get("kench-signature", "")
        if not all(given) or not signed or len(nonce) > NONCE_MAX:
            return Denial.UNSIGNED
        secret = self._keys.get(key)
        if secret is None:
            return Denial.KEY
        right = signature(secret, signed_text(method, target, moment, nonce, body))
        if not hmac.compare_digest(right.encode(), signed.encode()):
            return Denial.SIGNATURE
        now_us = self._clock.now_us()
        moment_us = int(moment) if moment.isascii() and moment.isdecimal() else -1
        if not now_us - self._window_us <= moment_us <= now_us + AHEAD_US:
            return Denial.WINDOW
        return self._use(key, nonce, now_us)

    def _use(self, key: str, nonce: str, now_us: int) -> Denial | None:
        if len(self._nonces) >= NONCES_MAX:
            self._nonces = {name: end for name, end in self._nonces.items() if end >= now_us}
        if self._nonces.get((key, nonce), -1) >= now_us:
            return Denial.REPLAY
        if len(self._nonces) >= NONCES_MAX:
            return Denial.FULL
        self._nonces[key, nonce] = now_us + self._window_us + AHEAD_US
        return None
