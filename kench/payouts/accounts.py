"""The chart of accounts: what each is called, and by its name its asset, its side and its holder.

PostgreSQL derives the same from the code of an account (migration 0007).
"""

import enum
import re
from dataclasses import dataclass

from kench.pool.errors import KenchError


class Asset(enum.StrEnum):
    """What is counted: BTC in satoshi, KGS in tyiyn."""

    BTC = "BTC"
    KGS = "KGS"


class Side(enum.StrEnum):
    """The side on which an account grows."""

    DEBIT = "debit"
    CREDIT = "credit"


class Holder(enum.StrEnum):
    """Whose money an account shows: D28 keeps the participants' apart from the operator's."""

    CLIENT = "client"
    OPERATOR = "operator"
    CLEARING = "clearing"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class AccountClass:
    """What all accounts of one kind have in common."""

    name: str
    asset: Asset
    normal_side: Side
    holder: Holder
    may_overdraw: bool = False


class UnknownAccountError(KenchError):
    """A code that the chart of accounts does not have."""


COINBASE = "coinbase"
"""Coins of our blocks that no venue has credited yet."""
UNASSIGNED = "unassigned"
"""Rewards whose finder nobody knows; see `kench.payouts.rounds.NOBODY`."""
UNASSIGNED_KGS = "unassigned:kgs"
"""Proceeds of such rewards."""
TRADE_BTC = "trade:btc"
"""Coins sold of lots that are not settled yet."""
TRADE_KGS = "trade:kgs"
"""Proceeds of lots that are not settled yet."""
POOL_FEE = "fee:pool"
"""The operator's share."""
CLIENTS_BANK = "bank:clients"
"""The participants' money at the bank."""
OPERATOR_BANK = "bank:operator"
"""The operator's own money at the bank."""
WRITTEN_OFF = "written_off"
"""Claims on coins that officers wrote off: the coins are where they are, and owed to nobody."""
ALWAYS_OPEN = (
    COINBASE, UNASSIGNED, UNASSIGNED_KGS, TRADE_BTC, TRADE_KGS, POOL_FEE, CLIENTS_BANK,
    OPERATOR_BANK, WRITTEN_OFF,
)  # fmt: skip

_VENUE = r"[a-z0-9][a-z0-9_.-]{0,63}"
_PARTICIPANT = r"participant:[1-9][0-9]{0,17}"
_CLASSES = (
    (COINBASE, AccountClass(COINBASE, Asset.BTC, Side.DEBIT, Holder.CLIENT)),
    (
        rf"venue:{_VENUE}:btc",
        AccountClass("venue:btc", Asset.BTC, Side.DEBIT, Holder.CLIENT),
    ),
    (
        TRADE_BTC,
        AccountClass(TRADE_BTC, Asset.BTC, Side.DEBIT, Holder.CLEARING, may_overdraw=True),
    ),
    (_PARTICIPANT, AccountClass("participant", Asset.BTC, Side.CREDIT, Holder.CLIENT)),
    (UNASSIGNED, AccountClass(UNASSIGNED, Asset.BTC, Side.CREDIT, Holder.CLIENT)),
    (WRITTEN_OFF, AccountClass(WRITTEN_OFF, Asset.BTC, Side.CREDIT, Holder.NOBODY)),
    (
        rf"venue:{_VENUE}:kgs",
        AccountClass("venue:kgs", Asset.KGS, Side.DEBIT, Holder.CLIENT),
    ),
    (
        TRADE_KGS,
        AccountClass(TRADE_KGS, Asset.KGS, Side.CREDIT, Holder.CLEARING, may_overdraw=True),
    ),
    (
        rf"{_PARTICIPANT}:kgs",
        AccountClass("participant:kgs", Asset.KGS, Side.CREDIT, Holder.CLIENT),
    ),
    (UNASSIGNED_KGS, AccountClass(UNASSIGNED_KGS, Asset.KGS, Side.CREDIT, Holder.CLIENT)),
    (POOL_FEE, AccountClass(POOL_FEE, Asset.KGS, Side.CREDIT, Holder.OPERATOR)),
    (
        rf"fee:venue:{_VENUE}",
        AccountClass("fee:venue", Asset.KGS, Side.DEBIT, Holder.CLEARING),
    ),
    (CLIENTS_BANK, AccountClass(CLIENTS_BANK, Asset.KGS, Side.DEBIT, Holder.CLIENT)),
    (OPERATOR_BANK, AccountClass(OPERATOR_BANK, Asset.KGS, Side.DEBIT, Holder.OPERATOR)),
)
_CHART = tuple((re.compile(pattern), what) for pattern, what in _CLASSES)
CLASSES = tuple(what for _, what in _CLASSES)


def class_of(code: str) -> AccountClass:
    """Return what an account is by its code. Raises UnknownAccountError."""
    for pattern, what in _CHART:
        if pattern.fullmatch(code):
            return what
    raise UnknownAccountError(
        f"there is no account {code!r} in the chart of accounts: see docs/ledger.md"
    )


def asset_of(code: str) -> Asset:
    """Return the asset of an account that is in the chart."""
    is_money = code.endswith(":kgs") or code.startswith(("fee:", "bank:"))
    return Asset.KGS if is_money else Asset.BTC


def participant_btc(participant_id: int) -> str:
    """Return the account of a participant's satoshi; that of nobody for 0."""
    return f"participant:{participant_id}" if participant_id else UNASSIGNED


def participant_kgs(participant_id: int) -> str:
    """Return the account of a participant's tyiyn; that of nobody for 0."""
    return f"participant:{participant_id}:kgs" if participant_id else UNASSIGNED_KGS


def venue_btc(venue: str) -> str:
    """Return the account of coins that a venue holds for us."""
    return f"venue:{venue}:btc"


def venue_kgs(venue: str) -> str:
    """Return the account of money that a venue holds for us."""
    return f"venue:{venue}:kgs"


def venue_fee(venue: str) -> str:
    """Return the account of fees that a venue took and no settlement has charged yet."""
    return f"fee:venue:{venue}"
