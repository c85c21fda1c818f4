"""Why a lot stands still now, and since when: kept for people for as long as it does.

The rows are of the moment: a lot that moves, or of which something is sold, has none any more
(a trigger of migration 0018). What a state itself says (`machine`) is not said again here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.pool.moments import moment_of
from kench.pool.orders.book import NoOrderError
from kench.sale import tables
from kench.sale.lots import Lot, LotKey
from kench.sale.machine import HOLDS_VENUE, LotState
from kench.sale.screening.port import ScreeningUncertainError
from kench.sale.venues.port import VenueBusyError, VenueRefusedError, VenueUnreadableError

WORDS_CHARACTERS_MAX = 500
SAID_AFTER_S = 60.0
"""What takes some seconds most times, a credit or a check, is said only after so long."""


class Why(StrEnum):
    """What keeps a lot where it is."""

    DEPOSIT_UNSEEN = "deposit_unseen"
    DEPOSIT_UNCREDITED = "deposit_uncredited"
    CHECK_GOES_ON = "check_goes_on"
    NOT_ITS_TURN = "not_its_turn"
    DAILY_CAP = "daily_cap"
    STALE_QUOTE = "stale_quote"
    ONE_SIDED = "one_sided"
    THIN_BOOK = "thin_book"
    SLICE_TOO_SMALL = "slice_too_small"
    SLICE_REFUSED = "slice_refused"
    ORDER_UNCERTAIN = "order_uncertain"
    VENUE_BUSY = "venue_busy"
    VENUE_SILENT = "venue_silent"
    VENUE_UNREADABLE = "venue_unreadable"
    VENUE_REFUSES = "venue_refuses"
    PROVIDER_SILENT = "provider_silent"
    NO_ORDER = "no_order"
    BOOKS_REFUSE = "books_refuse"


WHAT_TO_DO: Mapping[Why, str] = {
    Why.DEPOSIT_UNSEEN: "nothing yet; ask the venue whether it follows the chain, and the address",
    Why.DEPOSIT_UNCREDITED: "nothing yet; ask the venue how many confirmations it wants",
    Why.CHECK_GOES_ON: "nothing: held by itself after ten minutes",
    Why.NOT_ITS_TURN: "nothing, while the lot before it is sold; else look at that one",
    Why.DAILY_CAP: "nothing: goes on at midnight in Bishkek, or by an order with a higher cap",
    Why.STALE_QUOTE: "see the clocks of venue and machine; the venue's book is old; halted after "
    "six hours",
    Why.ONE_SIDED: "ask the venue: nobody bids, or nobody asks; halted after six hours",
    Why.THIN_BOOK: "ask the venue, or change `depth_bp` by an order; halted after six hours",
    Why.SLICE_TOO_SMALL: "an order whose `slice_sat` is no less than the venue's minimum",
    Why.SLICE_REFUSED: "ask the venue why; halted when it refused five slices in a row",
    Why.ORDER_UNCERTAIN: "nothing: it is looked up until it is certain, and never sent again; ask "
    "the venue where that lasts",
    Why.VENUE_BUSY: "nothing; where it lasts, ask the venue for a higher rate",
    Why.VENUE_SILENT: "see that the venue can be reached from here; it is asked again by itself",
    Why.VENUE_UNREADABLE: "ask the venue: its answer contradicts itself or cannot be read",
    Why.VENUE_REFUSES: "ask the venue; see the key of its API and what it may do",
    Why.PROVIDER_SILENT: "see that the AML provider can be reached from here",
    Why.NO_ORDER: "an order with that section (`kench order`)",
    Why.BOOKS_REFUSE: "run `kench audit`; nothing was written",
}
"""What people can do about each, if anything."""


@dataclass(frozen=True, slots=True)
class Look:
    """Look at a lot again after a while; why it waits until then, None where it only takes turns.

    `words` say what was found, beside the `why`; they are kept as they were at first.
    """

    after_s: float
    why: Why | None = None
    words: str = ""


Step = Lot | float | Look
"""What a step of a lot leads to: the lot as it moved, to go on with at once, or when the next look
is due. Seconds alone leave what is said of it as it is; 0 is at once, after it is read again."""


class Waiting(NamedTuple):
    """Why a lot stands still, in what words, since when."""

    why: Why
    words: str
    since: datetime

    @property
    def line(self) -> str:
        """Everything in one line for people."""
        since = self.since.astimezone().isoformat(sep=" ", timespec="seconds")
        return f"{self.why} since {since}" + (f": {self.words}" if self.words else "")


def why_of(trouble: Exception) -> Why:
    """Return which wait it is where a step ended with this."""
    match trouble:
        case VenueBusyError():
            return Why.VENUE_BUSY
        case VenueUnreadableError():
            return Why.VENUE_UNREADABLE
        case VenueRefusedError():
            return Why.VENUE_REFUSES
        case ScreeningUncertainError():
            return Why.PROVIDER_SILENT
        case NoOrderError():
            return Why.NO_ORDER
    return Why.VENUE_SILENT


_WAITS = tables.lot_waits
_IS_LOT = (
    _WAITS.c.block_hash == sa.bindparam("key_hash"),
    _WAITS.c.vout == sa.bindparam("key_vout"),
)
# Under the lot's lock: of a lot that moved meanwhile nothing is said.
_AS_READ = (
    sa.select(
        tables.lots.c.block_hash,
        tables.lots.c.vout,
        sa.bindparam("why", type_=sa.Text),
        sa.bindparam("words", type_=sa.Text),
        sa.bindparam("since", type_=sa.DateTime(timezone=True)),
    )
    .where(
        tables.lots.c.block_hash == sa.bindparam("key_hash"),
        tables.lots.c.vout == sa.bindparam("key_vout"),
        tables.lots.c.version == sa.bindparam("key_version"),
    )
    .with_for_update()
)
_COLUMNS = ("block_hash", "vout", "why", "words", "since")
_BEGIN = insert(_WAITS).from_select(_COLUMNS, _AS_READ)
_SAY = _BEGIN.on_conflict_do_update(
    index_elements=["block_hash", "vout"],
    set_={name: _BEGIN.excluded[name] for name in ("why", "words", "since")},
)
_END = sa.delete(_WAITS).where(*_IS_LOT)
_TURNS = sa.text("""
    SELECT waits.block_hash, waits.vout, holder.block_hash AS holder_hash,
        holder.vout AS holder_vout, holder.state AS holder_state,
        greatest(waits.changed_at, holder.changed_at) AS since
    FROM (SELECT DISTINCT ON (venue) venue, block_hash, vout, state, changed_at FROM lots
          WHERE state = ANY(CAST(:holding AS text[]))
          ORDER BY venue, height, block_hash, vout) AS holder
    JOIN lots AS waits USING (venue) WHERE waits.state = 'cleared'
""")


def say(connection: sa.Connection, lot: Lot, look: Look, now_us: int) -> None:
    """Keep why a lot waits from now on, or that it does not."""
    named: dict[str, Any] = {"key_hash": lot.block_hash, "key_vout": lot.vout}
    if look.why is None:
        connection.execute(_END, named)
        return
    said = {
        "why": look.why.value,
        "words": look.words[:WORDS_CHARACTERS_MAX],
        "since": moment_of(now_us),
        "key_version": lot.version,
    }
    connection.execute(_SAY, named | said)


def read_waits(connection: sa.Connection) -> dict[LotKey, Waiting]:
    """Return all lots that stand still for a reason that their states do not tell."""
    turns = connection.execute(_TURNS, {"holding": [state.value for state in HOLDS_VENUE]})
    waits = {
        LotKey(row.block_hash, row.vout): Waiting(
            Why.NOT_ITS_TURN,
            f"after {row.holder_hash}:{row.holder_vout}, {LotState(row.holder_state)}",
            row.since,
        )
        for row in turns
    }
    said = connection.execute(sa.select(_WAITS))
    return waits | {
        LotKey(row.block_hash, row.vout): Waiting(Why(row.why), row.words, row.since)
        for row in said
    }
