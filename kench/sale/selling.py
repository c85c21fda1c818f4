"""The sale of a lot: one slice at a time, written ahead, sent once, looked up until it is certain.

    intent committed -> sent -> answer -> fills -> end committed
                          \\-> no answer: looked up by its id, never sent again

A new slice needs a certain end of the one before: filled, cancelled, rejected, or certainly not
placed, which it is when the venue knows no such id after every request of ours must have arrived
or died (`request_window_s`, from the intent on, as of which it is signed) and a grace on top.
"""

from collections.abc import Sequence

import sqlalchemy as sa
import structlog

from kench.pool.moments import moment_of, us_of
from kench.pool.orders.rules import InForce, SaleRule
from kench.sale import tables, trading
from kench.sale.desk import SECOND_US, Desk
from kench.sale.lots import Lot, leave_rest, lock_as_read, move, read_lot
from kench.sale.machine import LotState
from kench.sale.planner import (
    MARKET_PAUSES,
    Finished,
    Halt,
    Pause,
    Slice,
    Wait,
    before_quote,
    least,
    plan,
    sellable,
)
from kench.sale.trading import DisagreementError, IntentState, VenueOrder
from kench.sale.venues.port import (
    Fill,
    OrderState,
    OrderView,
    Venue,
    VenueBusyError,
    VenueError,
    VenueRefusedError,
)
from kench.sale.waits import Look, Step, Why

WAIT_MAX_S = 10.0
"""Between two looks at a sale that waits, be it for midnight: an order may change its rule."""
GRACE_S = 60.0
"""Beyond the venue's own window; clocks and networks are not exact."""
LOOK_UP_S = 5.0
"""Between two looks at an order that is not certain."""
OPEN_PATIENCE_S = 60.0
"""An order that should be carried out at once and is open for so long is cancelled."""
FILLS_PATIENCE_S = 900.0
"""A venue whose trades do not add up to its order for so long disagrees."""
UNCERTAIN_MAX_S = 24 * 3600.0
"""An order of which nothing certain is heard for so long is shown to people as a disagreement."""
REFUSALS_MAX = 5
"""So many slices in a row that the venue refuses halt the sale."""
MARKET_PAUSE_MAX_S = 6 * 3600.0
"""A market that cannot be sold into for so long halts the sale."""

log = structlog.get_logger("kench.sale")


class Seller:
    """Sells one lot at a time at each venue. Keeps nothing that a restart may not lose."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Since when each venue's market could not be sold into, monotonic seconds.
        self._paused: dict[str, float] = {}
        # When this process last offered a slice at each venue, Unix microseconds.
        self._offered_us: dict[str, int] = {}

    def begin(self, lot: Lot) -> Lot:
        """Start to sell a cleared lot whose venue is free for it."""
        now_us = self._desk.now_us()
        rule = self._desk.orders().sale_at(now_us)
        with self._desk.transact() as connection:
            return move(connection, lot, LotState.SELLING, "its turn at the venue", now_us,
                        order_number=rule.order)  # fmt: skip

    def sell(self, lot: Lot) -> Step:
        """Do the next step of a sale without an open order."""
        venue = self._desk.venues[lot.venue]
        rule = self._desk.orders().sale_at(self._desk.now_us())
        can = self._desk.capabilities(venue)
        if sellable(lot.unsold_sat, can) < least(rule.rule, can):
            return self._finish(lot)
        due_us = self._offered_us.get(lot.venue, 0) + rule.rule.interval_s * SECOND_US
        if self._desk.now_us() < due_us:  # the intents would say so too
            return self._wait(lot, Wait(due_us, Pause.INTERVAL), rule.order)
        with self._desk.read() as connection:
            progress = trading.read_progress(connection, lot, self._desk.now_us())
        step: Slice | Wait | Halt | Finished | None = before_quote(
            progress, rule.rule, can, self._desk.now_us()
        )
        if step is None:
            step = plan(progress, rule.rule, can, venue.book(), self._desk.now_us())
        match step:
            case Finished():
                return self._finish(lot)
            case Halt():
                self._halt(lot, f"{step.trip}: {step.words}", rule.order)
                return LOOK_UP_S
            case Wait():
                return self._wait(lot, step, rule.order)
            case Slice():
                self._paused.pop(lot.venue, None)
                return self._offer(lot, step, venue, rule)

    def _offer(self, lot: Lot, offer: Slice, venue: Venue, sale: InForce[SaleRule]) -> Step:
        licence = self._desk.orders().licence_of(lot.venue, self._desk.now_us())
        if licence is None:
            return 0.0  # it lapsed this very moment: the next look moves the lot
        with self._desk.transact() as connection:
            current = lock_as_read(connection, lot)
            order = trading.intend(
                connection, current, offer, sale, licence.order, self._desk.now_us()
            )
        if order is None:
            return LOOK_UP_S  # the day's cap is reached, or nearly: the next look plans by it
        self._offered_us[lot.venue] = us_of(order.intended_at)
        return self._send(lot, order, venue)

    def _send(self, lot: Lot, order: VenueOrder, venue: Venue) -> Step:
        """Send an order whose intent is committed, for the first and only time.

        Raises LeaseLostError, and sends nothing, where the sale may be another's: that one finds
        the intent and sees what became of it. Where we stand still from here on, the venue refuses
        what we send later: it is signed as of the intent, and the other waits for longer than the
        venue takes that.
        """
        self._desk.require_lead()
        intended_us = us_of(order.intended_at)
        try:
            view = venue.place_limit_ioc(
                order.client_id, order.amount_sat, order.limit_price, intended_us
            )
        except VenueRefusedError as refusal:
            self._end_unsold(lot, order, IntentState.REJECTED, str(refusal))
            return Look(LOOK_UP_S, Why.SLICE_REFUSED, str(refusal))
        except VenueBusyError as busy:
            self._end_unsold(lot, order, IntentState.NOT_PLACED, str(busy))
            return Look(max(busy.retry_after_s, 1.0), Why.VENUE_BUSY, str(busy))
        except VenueError as doubt:
            with self._desk.transact() as connection:
                trading.note(connection, order, IntentState.UNCERTAIN, str(doubt))
            log.warning("order uncertain", lot=lot.reference, id=order.client_id, why=str(doubt))
            return _uncertain(order, str(doubt))
        return self._take(lot, order, view, venue)

    def resolve(self, lot: Lot, order: VenueOrder, venue: Venue) -> Step:
        """Ask the venue what became of an order that has no certain end; never send it again."""
        age_s = (self._desk.now_us() - us_of(order.intended_at)) / SECOND_US
        try:
            view = venue.look_up(order.client_id)
        except VenueError as trouble:
            if age_s > UNCERTAIN_MAX_S:
                self.disagree(lot, f"nothing is known of order {order.client_id}: {trouble}")
            raise
        if view is not None:
            return self._take(lot, order, view, venue)
        window_s = self._desk.capabilities(venue).request_window_s
        if age_s <= window_s + GRACE_S:
            return _uncertain(order, "unknown to the venue so far")
        # Cancelling what is not there bars nothing, but tells where a look-up is served stale.
        view = venue.cancel(order.client_id)
        if view is not None:
            return self._take(lot, order, view, venue)
        if order.filled_sat or order.state is IntentState.OPEN or venue.fills(order.client_id):
            self.disagree(lot, f"the venue forgot order {order.client_id}, which it had")
            return LOOK_UP_S
        self._end_unsold(lot, order, IntentState.NOT_PLACED, f"unknown to the venue, {age_s:.0f} s")
        return 0.0

    def _take(self, lot: Lot, order: VenueOrder, view: OrderView, venue: Venue) -> Step:
        """Book what a view of an order says, as far as it is certain and adds up."""
        age_s = (self._desk.now_us() - us_of(order.intended_at)) / SECOND_US
        try:
            trading.check_view(order, view)
            if view.state is OrderState.OPEN:
                return self._leave_open(lot, order, venue, age_s)
            found = venue.fills(order.client_id) if view.filled_sat or order.filled_sat else ()
            sold_sat = trading.check_fills(order, found)
            if sold_sat != view.filled_sat:
                words = f"order {order.client_id} sold {view.filled_sat} sat, its trades {sold_sat}"
                if sold_sat > view.filled_sat or age_s > FILLS_PATIENCE_S:
                    raise DisagreementError(words)
                return Look(LOOK_UP_S, Why.ORDER_UNCERTAIN, words)
            return self._close(lot, order, view, found)
        except DisagreementError as disagreement:
            self.disagree(lot, str(disagreement))
            return LOOK_UP_S

    def _leave_open(self, lot: Lot, order: VenueOrder, venue: Venue, age_s: float) -> Step:
        """Wait for an order that the venue still has open; cancel it when that lasts."""
        if order.state is not IntentState.OPEN:
            with self._desk.transact() as connection:
                trading.note(connection, order, IntentState.OPEN)
            return LOOK_UP_S
        if age_s > UNCERTAIN_MAX_S:
            self.disagree(lot, f"order {order.client_id} is open for {age_s:.0f} s")
        elif age_s > OPEN_PATIENCE_S:
            venue.cancel(order.client_id)
        return _uncertain(order, "still open at the venue")

    def _close(self, lot: Lot, order: VenueOrder, view: OrderView, found: Sequence[Fill]) -> Lot:
        """Book an order's fills and its end, in one transaction; return the lot after it."""
        now_us = self._desk.now_us()
        with self._desk.transact() as connection:
            current = read_lot(connection, lot.key, lock=True)
            trading.book_fills(connection, current, order, found, now_us)
            state = {
                OrderState.FILLED: IntentState.FILLED,
                OrderState.REJECTED: IntentState.REJECTED,
            }.get(view.state, IntentState.CANCELLED)
            trading.end(connection, order, state, now_us, view.reason, view.venue_order_id)
            after = read_lot(connection, lot.key)
        log.info("slice sold", lot=lot.reference, id=order.client_id, sat=view.filled_sat,
                 of_sat=order.amount_sat)  # fmt: skip
        return after

    def _end_unsold(self, lot: Lot, order: VenueOrder, state: IntentState, reason: str) -> None:
        """End an order of which certainly nothing was sold; too many refusals halt the sale."""
        now_us = self._desk.now_us()
        with self._desk.transact() as connection:
            read_lot(connection, lot.key, lock=True)
            trading.end(connection, order, state, now_us, reason)
            refusals = trading.refusals_in_a_row(connection, lot, REFUSALS_MAX)
        log.warning("slice not sold", lot=lot.reference, id=order.client_id, why=reason)
        if state is IntentState.REJECTED and refusals >= REFUSALS_MAX:
            self._halt(lot, f"the venue refused {refusals} slices in a row: {reason}", None)

    def _wait(self, lot: Lot, wait: Wait, sale_order: int) -> Step:
        now_s = self._desk.clock.monotonic()
        if wait.pause in MARKET_PAUSES:
            since_s = self._paused.setdefault(lot.venue, now_s)
            if now_s - since_s > MARKET_PAUSE_MAX_S:
                self._paused.pop(lot.venue)
                words = f"{wait.pause} for {now_s - since_s:.0f} s: {wait.words}"
                self._halt(lot, words, sale_order)
                return LOOK_UP_S
        left_s = (wait.until_us - self._desk.now_us()) / SECOND_US
        after_s = min(max(0.0, left_s), WAIT_MAX_S)
        if wait.pause is Pause.INTERVAL:
            return after_s
        return Look(after_s, Why(wait.pause.value), wait.words)

    def _halt(self, lot: Lot, why: str, sale_order: int | None) -> None:
        now_us = self._desk.now_us()
        with self._desk.transact() as connection:
            current = lock_as_read(connection, lot)
            if current.state is not LotState.SELLING:
                return
            move(connection, lot, LotState.HALTED, why, now_us, order_number=sale_order)
            connection.execute(
                sa.insert(tables.sale_halts),
                {
                    "block_hash": lot.block_hash,
                    "vout": lot.vout,
                    "version": lot.version + 1,
                    "reason": why[:500],
                    "order_number": sale_order,
                    "at": moment_of(now_us),
                },
            )
        log.critical("sale halted: two officers resume it", lot=lot.reference, why=why)

    def disagree(self, lot: Lot, why: str) -> None:
        """Stop a sale whose venue contradicts itself or us; in other states it is only said."""
        with self._desk.transact() as connection:
            current = read_lot(connection, lot.key, lock=True)
            if current.state is LotState.SELLING:
                move(connection, current, LotState.VENUE_DISAGREES, why, self._desk.now_us())
        log.critical("the venue disagrees", lot=lot.reference, why=why)

    def _finish(self, lot: Lot) -> Lot:
        """End a sale; what the venue takes no order for goes along with its next lot."""
        with self._desk.transact() as connection:
            current = lock_as_read(connection, lot)
            rest_sat = sum(leave_rest(connection, current, "carried").values())
            why = "all is sold" if not rest_sat else f"{rest_sat} sat go along with the next lot"
            sold = move(connection, current, LotState.SOLD, why, self._desk.now_us())
        log.info("lot sold", lot=lot.reference, why=why)
        return sold


def _uncertain(order: VenueOrder, words: str) -> Look:
    return Look(LOOK_UP_S, Why.ORDER_UNCERTAIN, f"order {order.client_id}: {words}")
