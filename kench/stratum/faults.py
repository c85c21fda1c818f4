"""What a peer may do that costs it, and how much: the one table of amounts.

A session and its address each carry a cost, a sum that halves each half-life (`costs`). The
limits are settings; amounts are measured against them: at the defaults a session is slowed from
100 on and cut off at 500, an address slowed from 400 on and banned at 2,000.
"""

import enum
from typing import Self


class Fault(enum.Enum):
    """A fault by its name in status and metrics, with what one of it costs."""

    amount: float

    # Lines.
    BAD_JSON = "bad_json", 20.0
    OVERSIZED_LINE = "oversized_line", 100.0
    FOREIGN_PROTOCOL = "foreign_protocol", 20.0
    UNKNOWN_METHOD = "unknown_method", 2.0
    INVALID_PARAMS = "invalid_params", 2.0
    # Lines without number that are no shares: each beyond CHATTER_FREE_LINES of one sweep.
    CHATTER = "chatter", 0.1
    # Logins.
    LOGIN_REFUSED = "login_refused", 20.0
    # A login that did not come in time.
    NO_LOGIN = "no_login", 20.0
    # Open and without a login beyond IDLE_FREE_S, each time that connections are looked at.
    IDLE = "idle", 1.0
    # Ended by the peer without one accepted share.
    NO_WORK = "no_work", 2.0
    # Shares that accepted ones do not pay for.
    WRONG_SHARE = "wrong_share", 1.0
    # Stale, of a forgotten job, or duplicate, and not of a burst that a new tip explains.
    LATE_SHARE = "late_share", 1.0
    NOT_SUBSCRIBED = "not_subscribed", 2.0
    # Sockets.
    # At a door with TLS: the handshake came to nothing, or did not come in time.
    NO_HANDSHAKE = "no_handshake", 10.0
    SLOW_READER = "slow_reader", 20.0

    def __new__(cls, value: str, amount: float = 0.0) -> Self:
        """Keep the amount beside the name."""
        member = object.__new__(cls)
        member._value_ = value
        member.amount = amount
        return member


# Without a login a connection may be silent so long before it costs.
IDLE_FREE_S = 10.0
# General lines (no plain submits) of a session between two looks at it that cost nothing.
CHATTER_FREE_LINES = 256
