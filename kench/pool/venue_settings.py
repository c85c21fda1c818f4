"""Settings of the venues that coins are sold on, and of the faults of the paper venue."""

from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from kench.pool.secret_sources import PrivateFile

VENUES_MAX = 16
LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")


class VenueKind(StrEnum):
    """Which adapter speaks to a venue."""

    PAPER = "paper"
    CCXT = "ccxt"


class VenueSettings(BaseModel):
    """One entry of `venues`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    """Its name in the orders of the authorised body: a letter, then a to z, 0 to 9 and dashes."""
    kind: VenueKind
    """`paper` (`kench venue`) or `ccxt` (an exchange that the ccxt library knows)."""
    exchange: str | None = None
    """With ccxt: the library's name of the exchange."""
    url: str | None = None
    """Where it answers. Needed for `paper`; with ccxt it takes the place of the library's own, and
    must hold nothing secret. Without TLS only on this machine."""
    market: Annotated[str, Field(pattern=r"^[A-Z0-9]+/[A-Z0-9]+$")] = "BTC/KGS"
    """The market that coins are sold on."""
    key_file: PrivateFile
    """Private file with the key: `{"key": "...", "secret": "..."}`, for some venues also
    `password` or `uid`."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Seconds that an answer may take in all."""
    arrival_s: Annotated[int, Field(ge=1, le=3600)] = 60
    """With ccxt: seconds for which an order that was not answered can still arrive."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return value and check_url(value, "key_file")

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind is VenueKind.PAPER and self.url is None:
            raise ValueError("a venue of kind paper needs url")
        if (self.kind is VenueKind.CCXT) != (self.exchange is not None):
            raise ValueError("exchange names the venue of kind ccxt, and of no other")
        return self


def check_url(url: str, secret_at: str) -> str:
    """Return where somebody answers whom money is trusted to; raises ValueError.

    `secret_at` names the setting that has what the URL must not hold.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("must look like https://host:port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://host:port")
    if parts.username is not None or parts.query:
        raise ValueError(f"must hold no user, password or query: the key is in {secret_at}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES:
        raise ValueError("http:// is for this machine alone: use https://")
    return url.rstrip("/")


def check_venues(venues: tuple[VenueSettings, ...]) -> tuple[VenueSettings, ...]:
    """Return the venues, if no two have one name."""
    if len({venue.name for venue in venues}) < len(venues):
        raise ValueError("two venues have the same name")
    return venues


class VenueFault(StrEnum):
    """What the paper venue can be told to do wrong."""

    REJECT = "reject"
    PARTIAL = "partial"
    DEFER = "defer"
    LOST_QUESTION = "lost-question"
    LOST_ANSWER = "lost-answer"
    LATE_ANSWER = "late-answer"
    GARBLED = "garbled"
    UNAVAILABLE = "unavailable"


def fault_shares(words: tuple[str, ...]) -> dict[VenueFault, float]:
    """Read `fault=share` words; raises ValueError."""
    shares = {}
    for word in words:
        name, separator, share = word.partition("=")
        try:
            fault, number = VenueFault(name), float(share)
        except ValueError:
            separator = ""
        if not separator or not 0 <= number <= 1:
            known = ", ".join(fault for fault in VenueFault)
            raise ValueError(f"{word} is not of the form fault=0.01; faults are {known}")
        shares[fault] = number
    if sum(shares.values()) > 1:
        raise ValueError("the shares of all faults together are more than 1")
    return shares
