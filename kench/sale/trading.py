"""Our side of orders at venues: intents written ahead, fills booked once, ends that stay.

Whole tyiyn come of exact sums: a fill adds what the floor of its lot's cost grows by, and what the
ceiling of its lot's fee grows by. However a sale is cut into fills, the lot's money is the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from kench.payouts import postings
from kench.pool.errors import KenchError
from kench.pool.moments import moment_of, us_of
from kench.pool.orders.rules import InForce, SaleRule
from kench.sale import tables
from kench.sale.entries import fill_lines
from kench.sale.lots import Lot
from kench.sale.planner import REFERENCE_AGE_US, Progress, Slice, day_begin_us
from kench.sale.venues.port import KGS, Fill, OrderView

TYIYN_PER_KGS = 100
RAW_CHARACTERS_MAX = 20_000
INTENT_LOCK = 0x6B656E63685F69
"""Key of the lock under which intents are written ("kench_i" in ASCII)."""
_ID_DOMAIN = b"kench venue order 1"


class IntentState(StrEnum):
    """What we know of an order of ours; the first three are open."""

    INTENDED = "intended"
    UNCERTAIN = "uncertain"
    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"


OPEN_STATES = (IntentState.INTENDED, IntentState.UNCERTAIN, IntentState.OPEN)


class DisagreementError(KenchError):
    """The venue's word on an order cannot be true beside ours: nothing of it is booked."""


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order of ours as its row is."""

    client_id: str
    block_hash: str
    vout: int
    slice: int
    venue: str
    amount_sat: int
    limit_price: Decimal
    reference_price: Decimal
    state: IntentState
    intended_at: datetime
    filled_sat: int


_ORDER_NAMES = [field.name for field in fields(VenueOrder)]
_ORDER = [tables.venue_orders.c[name] for name in _ORDER_NAMES]


def client_id_of(lot: Lot, slice_number: int) -> str:
    """Return the id that this slice of this lot has at its venue, whoever makes it, whenever."""
    parts = (
        _ID_DOMAIN,
        bytes.fromhex(lot.block_hash),
        lot.vout.to_bytes(4, "little"),
        slice_number.to_bytes(4, "little"),
    )
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


_OPEN_ORDER = sa.select(*_ORDER).where(
    tables.venue_orders.c.block_hash == sa.bindparam("hash"),
    tables.venue_orders.c.vout == sa.bindparam("vout"),
    tables.venue_orders.c.state.in_([state.value for state in OPEN_STATES]),
)
_TODAY = """
        (SELECT coalesce(sum(amount_sat), 0) FROM fills WHERE at >= :day)
            + (SELECT coalesce(sum(amount_sat - filled_sat), 0) FROM venue_orders
               WHERE state IN ('intended', 'uncertain', 'open'))"""
_PROGRESS = sa.text(f"""
    SELECT last.intended_at, last.reference_price,
        last.intended_at > :recent AND last.intended_at > coalesce((
            SELECT max(at) FROM lot_resolutions
            WHERE (block_hash, vout, act) = (:hash, :vout, 'resume')), '-infinity') AS bears,
        {_TODAY} AS sat
    FROM (SELECT) AS one LEFT JOIN (
        SELECT intended_at, reference_price FROM venue_orders
        WHERE venue = :venue ORDER BY intended_at DESC LIMIT 1) AS last ON true
""")  # noqa: S608 - a part from above
_TAKE_TURN = sa.text("SELECT pg_advisory_xact_lock(:key)")
_LAST_SLICE = sa.text(f"""
    SELECT (SELECT coalesce(max(slice), 0) FROM venue_orders
            WHERE block_hash = :hash AND vout = :vout) AS slice, {_TODAY} AS today_sat
""")  # noqa: S608 - a part from above
_INTEND = sa.insert(tables.venue_orders)
_CHANGE = sa.update(tables.venue_orders).where(
    tables.venue_orders.c.client_id == sa.bindparam("key_id")
)
_BOOKED = sa.text("""
    SELECT trade_id, client_id, amount_sat, price, cost, fee, sums.whole_cost, sums.whole_fee
    FROM (SELECT sum(cost) AS whole_cost, sum(fee) AS whole_fee FROM fills
          WHERE block_hash = :hash AND vout = :vout) AS sums
    LEFT JOIN fills ON venue = :venue AND trade_id = ANY(CAST(:ids AS text[]))
""")
_BOOK = sa.insert(tables.fills)


def open_order(connection: sa.Connection, lot: Lot) -> VenueOrder | None:
    """Return the one order of a lot that has no certain end yet."""
    row = connection.execute(_OPEN_ORDER, _named(lot)).one_or_none()
    return None if row is None else _order_of(row)


def read_progress(connection: sa.Connection, lot: Lot, now_us: int) -> Progress:
    """Return how far the sale is, as the planner asks.

    Slices keep their interval by venue, so that several lots do not press on its price at once. A
    price of before the officers last resumed the lot is no reference any more.
    """
    moments = {
        "day": moment_of(day_begin_us(now_us)),
        "recent": moment_of(now_us - REFERENCE_AGE_US),
    }
    found = connection.execute(_PROGRESS, _named(lot) | moments | {"venue": lot.venue}).one()
    return Progress(
        left_sat=lot.unsold_sat,
        sliced_us=None if found.intended_at is None else us_of(found.intended_at),
        today_sat=int(found.sat),
        reference=found.reference_price if found.bears else None,
    )


def intend(  # noqa: PLR0913, PLR0917 - what an intent says
    connection: sa.Connection,
    lot: Lot,
    offer: Slice,
    sale: InForce[SaleRule],
    licence_order: int,
    now_us: int,
) -> VenueOrder | None:
    """Write the intent of an order; it is sent only after this is committed.

    None where another venue's sale took what the day's cap had left since this slice was planned:
    intents are written one at a time, so that together they keep to it.
    """
    connection.execute(_TAKE_TURN, {"key": INTENT_LOCK})
    day = {"day": moment_of(day_begin_us(now_us))}
    found = connection.execute(_LAST_SLICE, _named(lot) | day).one()
    if found.today_sat + offer.amount_sat > sale.rule.daily_cap_sat:
        return None
    order = VenueOrder(
        client_id=client_id_of(lot, found.slice + 1),
        block_hash=lot.block_hash,
        vout=lot.vout,
        slice=found.slice + 1,
        venue=lot.venue,
        amount_sat=offer.amount_sat,
        limit_price=offer.limit_price,
        reference_price=offer.reference_price,
        state=IntentState.INTENDED,
        intended_at=moment_of(now_us),
        filled_sat=0,
    )
    values = {name: getattr(order, name) for name in _ORDER_NAMES}
    connection.execute(
        _INTEND,
        values
        | {"state": order.state.value, "sale_order": sale.order, "licence_order": licence_order},
    )
    return order


def note(
    connection: sa.Connection, order: VenueOrder, state: IntentState, reason: str = ""
) -> None:
    """Note that an order without an end is uncertain or open."""
    _update(connection, order, {"state": state.value, "reason": reason[:500]})


def end(  # noqa: PLR0913, PLR0917 - how an order ended
    connection: sa.Connection,
    order: VenueOrder,
    state: IntentState,
    now_us: int,
    reason: str = "",
    venue_order_id: str | None = None,
) -> None:
    """Give an order its certain end."""
    values = {"state": state.value, "reason": reason[:500], "ended_at": moment_of(now_us)}
    _update(connection, order, values | {"venue_order_id": venue_order_id})


def refusals_in_a_row(connection: sa.Connection, lot: Lot, most: int) -> int:
    """Return how many of the last orders of a lot, up to `most`, were all rejected."""
    orders = tables.venue_orders.c
    states = connection.execute(
        sa.select(orders.state)
        .where(orders.block_hash == lot.block_hash, orders.vout == lot.vout)
        .order_by(orders.slice.desc())
        .limit(most)
    ).scalars()
    count = 0
    for state in states:
        if state != IntentState.REJECTED:
            break
        count += 1
    return count


def check_view(order: VenueOrder, view: OrderView) -> None:
    """See that a view is one of this order; raises DisagreementError."""
    if view.client_id != order.client_id or view.amount_sat != order.amount_sat:
        raise DisagreementError(
            f"the venue answers with an order {view.client_id} of {view.amount_sat} sat for "
            f"{order.client_id} of {order.amount_sat} sat"
        )
    if view.filled_sat < order.filled_sat:
        raise DisagreementError(
            f"the venue takes back {order.filled_sat - view.filled_sat} sat of {order.client_id}"
        )


def check_fills(order: VenueOrder, found: Sequence[Fill]) -> int:
    """Return the satoshi of an order's fills; raises DisagreementError where they cannot be."""
    by_id: dict[str, Fill] = {}
    for fill in found:
        if fill.client_id != order.client_id:
            raise DisagreementError(f"trade {fill.trade_id} is not of order {order.client_id}")
        if fill.fee and fill.fee_asset != KGS:
            raise DisagreementError(f"trade {fill.trade_id} has a fee in {fill.fee_asset}")
        if fill.price < order.limit_price:
            raise DisagreementError(
                f"trade {fill.trade_id} is at {fill.price}, below the limit {order.limit_price}"
            )
        if fill.fee > fill.cost:
            raise DisagreementError(f"trade {fill.trade_id} has a fee above its cost")
        known = by_id.setdefault(fill.trade_id, fill)
        if _content(known) != _content(fill):
            raise DisagreementError(f"trade {fill.trade_id} is told in two ways")
    sold_sat = sum(fill.amount_sat for fill in by_id.values())
    if sold_sat > order.amount_sat:
        raise DisagreementError(
            f"the trades of {order.client_id} are {sold_sat} sat, the order {order.amount_sat} sat"
        )
    return sold_sat


def book_fills(
    connection: sa.Connection, lot: Lot, order: VenueOrder, found: Sequence[Fill], now_us: int
) -> int:
    """Book the fills that are not booked yet, under the lot's lock; return how many."""
    known, cost, fee = _read_booked(connection, lot, order, found)
    fresh = {fill.trade_id: fill for fill in found if fill.trade_id not in known}
    if not fresh:
        return 0
    rows, lines = [], []
    for trade_id, fill in sorted(fresh.items(), key=lambda item: (item[1].at_us, item[0])):
        gross_tyiyn = _floor(cost + Fraction(fill.cost)) - _floor(cost)
        fee_tyiyn = _ceiling(fee + Fraction(fill.fee)) - _ceiling(fee)
        cost, fee = cost + Fraction(fill.cost), fee + Fraction(fill.fee)
        rows.append(
            {
                "venue": order.venue,
                "trade_id": trade_id,
                "client_id": order.client_id,
                "block_hash": lot.block_hash,
                "vout": lot.vout,
                "amount_sat": fill.amount_sat,
                "price": fill.price,
                "cost": fill.cost,
                "fee": fill.fee,
                "gross_tyiyn": gross_tyiyn,
                "fee_tyiyn": fee_tyiyn,
                "at": moment_of(fill.at_us),
                "booked_at": moment_of(now_us),
                "raw": fill.raw[:RAW_CHARACTERS_MAX],
            }
        )
        lines += fill_lines(order.venue, trade_id, fill.amount_sat, gross_tyiyn, fee_tyiyn)
    connection.execute(_BOOK, rows)
    postings.write(connection, lines)
    return len(rows)


def _read_booked(
    connection: sa.Connection, lot: Lot, order: VenueOrder, found: Sequence[Fill]
) -> tuple[set[str], Fraction, Fraction]:
    """Return which of the trades are booked, and the exact cost and fee of all that is of the lot.

    Raises DisagreementError where a trade is booked as something else.
    """
    ids = [fill.trade_id for fill in found]
    asked = _named(lot) | {"venue": order.venue, "ids": ids}
    rows = connection.execute(_BOOKED, asked).all()
    known = {row.trade_id: tuple(row)[1:6] for row in rows if row.trade_id is not None}
    for fill in found:
        content = known.get(fill.trade_id)
        if content is not None and content != _content(fill):
            raise DisagreementError(f"trade {fill.trade_id} was booked with another content")
    return set(known), Fraction(rows[0].whole_cost or 0), Fraction(rows[0].whole_fee or 0)


def _content(fill: Fill) -> tuple[Any, ...]:
    return (fill.client_id, fill.amount_sat, fill.price, fill.cost, fill.fee)


def _floor(money_kgs: Fraction) -> int:
    return money_kgs * TYIYN_PER_KGS // 1


def _ceiling(money_kgs: Fraction) -> int:
    return -(-money_kgs * TYIYN_PER_KGS // 1)


def _update(connection: sa.Connection, order: VenueOrder, values: dict[str, Any]) -> None:
    connection.execute(_CHANGE, values | {"key_id": order.client_id})


def _named(lot: Lot) -> dict[str, Any]:
    return {"hash": lot.block_hash, "vout": lot.vout}


def _order_of(row: Any) -> VenueOrder:
    values = {name: getattr(row, name) for name in _ORDER_NAMES}
    return VenueOrder(**values | {"state": IntentState(values["state"])})
