"""The screening port: what the sale asks of any AML/KYT provider, and what may go wrong.

A transfer is registered, then its check is polled until it has an end. Registering the same
transfer again gives the same check. Whatever the caller cannot be sure of is a
ScreeningUncertainError, and holds the coins: nothing is sold on a guess.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from kench.pool.errors import KenchError

SCORE_BP_MAX = 10_000
"""A score of 100 %, in basis points."""


class ScreeningUncertainError(KenchError):
    """The provider gave no answer that can be relied on: the coins are held, it is asked again."""


class ScreeningUnreadableError(ScreeningUncertainError):
    """The provider answered with what is no answer of its protocol, or contradicts itself."""


class ScreeningRefusedError(ScreeningUncertainError):
    """The provider refuses our request as such: key, signature or form are wrong."""


class ScreeningBusyError(ScreeningUncertainError):
    """The provider asks us to come later, after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CheckState(enum.StrEnum):
    """How far a check is at the provider."""

    QUEUED = "queued"
    CHECKING = "checking"
    CHECKED = "checked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Transfer:
    """The coins to be checked: one output of a transaction on its way to a venue."""

    txid: str
    vout: int
    address: str
    amount_sat: int
    asset: str = "BTC"

    @property
    def reference(self) -> str:
        """`txid:vout`, our name for it at every provider."""
        return f"{self.txid}:{self.vout}"


@dataclass(frozen=True, slots=True)
class Check:
    """What a provider said of a transfer, with the bytes it said it in."""

    state: CheckState
    score_bp: int | None
    """Risk in basis points; None where the provider gave none."""
    level: str
    """The provider's own word: none, low, medium, high, severe or undefined."""
    provider: str
    provider_ref: str
    """The provider's id of this check."""
    reference: str
    """The transfer that the provider says this is about, `txid:vout`."""
    raw: str
    raw_sha256: bytes
    signals: Mapping[str, Decimal] = field(default_factory=dict)
    """Share of the coins by where they come from, such as miner or mixer."""
    alerts: tuple[str, ...] = ()


class Screening(Protocol):
    """An AML/KYT provider; calls block, within the adapter's bounds."""

    @property
    def provider(self) -> str:
        """Name of the provider as orders write it."""
        ...

    def register(self, transfer: Transfer) -> str:
        """Hand a transfer over; return the id of its check. Twice is once."""
        ...

    def get(self, check_id: str) -> Check:
        """Return the check as it stands now."""
        ...
