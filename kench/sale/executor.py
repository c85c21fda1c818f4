"""The executor: each turn takes every lot as far as it can go now, and no further.

It keeps nothing that a restart may not lose: where a lot is, is in its row; what was offered, in
its intents. Only when to look again is remembered, to leave venues and providers in peace. Each
venue's lots are walked on their own (`lanes`).
"""

import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError

from kench.pool.database import first_line
from kench.pool.orders.book import NoOrderError
from kench.sale import trading
from kench.sale.deposits import WAITING, Deposits, read_deposits, receive, why_waits
from kench.sale.desk import Desk
from kench.sale.lanes import RETRY_MAX_S, InPlace, Lane, retry_s
from kench.sale.lots import (
    Lot,
    LotKey,
    LotMovedError,
    Unfinished,
    came_from,
    move,
    read_lot,
    read_unfinished,
)
from kench.sale.machine import FINAL, HOLDS_VENUE, STANDING, WAYS, LotState
from kench.sale.making import UnmadeLotsError, make_lots
from kench.sale.screened import Screener, ask_again
from kench.sale.screening.port import ScreeningUncertainError
from kench.sale.selling import Seller
from kench.sale.venues.port import VenueBusyError, VenueError
from kench.sale.waits import Look, Step, Why, say, why_of

LOOK_S = 10.0
"""Between two looks at a lot that waits for something outside."""
DEPOSITS_S = 3.0
"""Between two questions for a venue's deposits."""
DEPOSITS_SHARE = 0.1
"""They take this share of a lane's time at most: a venue that tells them slowly is asked less."""
STEPS_MAX = 8
"""Steps of one lot in one turn."""
BLOCKS_MAX = 100
"""Blocks whose lots are made in one turn."""
SKIPPED_MAX = 1000
"""Blocks without lots that are left aside until a restart, each said in the log."""
FAULTS = frozenset({LotState.LICENCE_LAPSED, LotState.DELISTED})

log = structlog.get_logger("kench.sale")
Settle = Callable[[sa.Connection, Lot], object]


@dataclass(slots=True)
class _Seen:
    """What a walk along a lane knows besides each lot."""

    lane: Lane
    deposits: Deposits | float | Look
    """What the venue told; or when it is asked next, and why it told nothing where it was asked."""
    orphans: set[LotKey]
    """Lots whose block is not on the best chain."""
    holder: LotKey | None
    """The lot whose turn it is at the venue."""


class Executor:
    """Moves lots, one step each, until they are settled or people must look."""

    def __init__(
        self,
        desk: Desk,
        settle: Settle,
        lane_threads: futures.Executor | None = None,
        screening_threads: futures.Executor | None = None,
    ) -> None:
        """Prepare it; without threads all is done in the caller's, one lane after another."""
        self._desk = desk
        self._settle = settle
        self._lane_threads = lane_threads or InPlace()
        self._screening_threads = screening_threads or InPlace()
        self._seller = Seller(desk)
        self._lanes: dict[str, Lane] = {}
        self._skipped: set[str] = set()
        self._closing = threading.Event()
        self.unfinished: Sequence[Unfinished] | None = None
        """Lots that are not at an end, as the last turn read them; None before the first."""

    def turn(self) -> None:
        """Walk along every lane that is free, looking at the lots that are due."""
        self._make_lots()
        # Before the lots are read: those of a lane that ends only now would be old news.
        busy = {lane.venue for lane in self._lanes.values() if not lane.is_free()}
        with self._desk.read() as connection:
            unfinished = read_unfinished(connection)
        self.unfinished = unfinished
        found: dict[str, list[Unfinished]] = {venue: [] for venue in self._lanes}
        for one in unfinished:
            found.setdefault(one.lot.venue, []).append(one)
        for venue, lots in found.items():
            if venue not in busy:
                lane = self._lane(venue)
                lane.start(self._lane_threads, partial(self._walk, lane, lots))

    def between(self, venue: str, task: Callable[[], None]) -> bool:
        """Do something else with a venue in its lane, if that is free now."""
        lane = self._lane(venue)
        if not lane.is_free():
            return False
        lane.start(self._lane_threads, task)
        return True

    def close(self) -> None:
        """Let each walk end after the step that it is at, and wait for that."""
        self._closing.set()
        for lane in self._lanes.values():
            lane.join()

    def _lane(self, venue: str) -> Lane:
        lane = self._lanes.get(venue)
        if lane is None:
            screener = Screener(self._desk, self._screening_threads)
            lane = self._lanes[venue] = Lane(venue, self._desk.clock, screener)
        return lane

    def _walk(self, lane: Lane, found: Sequence[Unfinished]) -> None:
        """Look at the lots of a lane that are due."""
        lane.keep([one.lot for one in found])
        due = [one.lot for one in found if lane.schedule.is_due(one.lot)]
        seen = _Seen(
            lane,
            self._ask_deposits(lane, due),
            {one.lot.key for one in found if one.is_orphan},
            next((one.lot.key for one in found if one.lot.state in HOLDS_VENUE), None),
        )
        for one in found:
            # A lot that waits for its turn has it as soon as the one before is at an end.
            is_next = seen.holder is None and one.lot.key in lane.queued
            if is_next or lane.schedule.is_due(one.lot):
                self._take_along(one, seen)

    def _take_along(self, found: Unfinished, seen: _Seen) -> None:
        """Take one lot step by step for as long as it moves."""
        current, said = found.lot, found.why
        for _ in range(STEPS_MAX):
            if self._closing.is_set():
                return
            moved = self._guarded(current, said, seen)
            if moved is None:
                return
            if (moved.version, moved.sold_sat) != (current.version, current.sold_sat):
                said = None  # PostgreSQL has ended the wait
            current = moved
            if current.state not in HOLDS_VENUE and seen.holder == current.key:
                seen.holder = None
            if current.state in FINAL:
                return

    def _make_lots(self) -> None:
        for _ in range(BLOCKS_MAX):
            try:
                with self._desk.transact() as connection:
                    made = make_lots(
                        connection, self._desk.orders(), self._desk.now_us(), self._skipped
                    )
            except UnmadeLotsError as trouble:
                log.critical("a mature block has no lots", why=str(trouble))
                if len(self._skipped) < SKIPPED_MAX:
                    self._skipped.add(trouble.block_hash)
                    continue
                return
            if not made:
                return
            log.info("lots made", block=made[0].block_hash, lots=len(made))

    def _ask_deposits(self, lane: Lane, due: Sequence[Lot]) -> Deposits | float | Look:
        """Ask a venue once for what all its lots wait for."""
        waiting = [lot for lot in due if lot.state in WAITING]
        clock = self._desk.clock
        asked_s = clock.monotonic()
        if not waiting or lane.venue not in self._desk.venues or self._closing.is_set():
            return DEPOSITS_S
        if asked_s < lane.asks_s:
            return lane.asks_s - asked_s
        try:
            told = read_deposits(self._desk, lane.venue, waiting)
        except VenueError as trouble:
            lane.unanswered += 1
            wait_s = retry_s(lane.unanswered)
            if isinstance(trouble, VenueBusyError):
                wait_s = max(wait_s, min(trouble.retry_after_s, RETRY_MAX_S))
            lane.asks_s = clock.monotonic() + wait_s
            log.warning("deposits not told", venue=lane.venue, why=str(trouble), retry_s=wait_s)
            return Look(wait_s, why_of(trouble), str(trouble))
        lane.unanswered = 0
        now_s = clock.monotonic()
        lane.asks_s = now_s + max(DEPOSITS_S, (now_s - asked_s) / DEPOSITS_SHARE)
        return told

    def _guarded(self, lot: Lot, said: str | None, seen: _Seen) -> Lot | None:
        """Advance a lot and return it as it is now, where it can go on at once.

        What a venue, a provider or an officer does meanwhile is expected.
        """
        try:
            step = self._advance(lot, seen)
        except LotMovedError:
            return None  # it is due at once, as its version is another
        except VenueBusyError as busy:
            wait_s = seen.lane.schedule.failed(lot, min(busy.retry_after_s, RETRY_MAX_S))
            self._say(lot, said, Look(wait_s, Why.VENUE_BUSY, str(busy)))
        except (VenueError, ScreeningUncertainError, NoOrderError) as trouble:
            wait_s = seen.lane.schedule.failed(lot)
            log.warning("lot waits", lot=lot.reference, state=lot.state, why=str(trouble),
                        retry_s=wait_s)  # fmt: skip
            self._say(lot, said, Look(wait_s, why_of(trouble), str(trouble)))
        except IntegrityError as refusal:
            wait_s = seen.lane.schedule.failed(lot)
            log.critical("PostgreSQL refused what the sale wrote of a lot: run `kench audit`",
                         lot=lot.reference, state=lot.state, why=first_line(refusal),
                         retry_s=wait_s)  # fmt: skip
            self._say(lot, said, Look(wait_s, Why.BOOKS_REFUSE, first_line(refusal)))
        else:
            return self._wait(lot, said, step, seen)
        return None

    def _wait(self, lot: Lot, said: str | None, step: Step, seen: _Seen) -> Lot | None:
        """Return the lot to go on with at once, or see to it that it is looked at again."""
        if isinstance(step, Lot):
            return step
        after_s = step.after_s if isinstance(step, Look) else step
        seen.lane.schedule.later(lot, after_s)
        if isinstance(step, Look):
            self._say(lot, said, step)
        elif after_s <= 0:
            with self._desk.read() as connection:
                return read_lot(connection, lot.key)
        return None

    def _say(self, lot: Lot, said: str | None, look: Look) -> None:
        """Keep why a lot waits, where something else was said."""
        if look.why != said:
            with self._desk.transact() as connection:
                say(connection, lot, look, self._desk.now_us())

    def _advance(self, lot: Lot, seen: _Seen) -> Step:
        """Take one step with a lot."""
        if lot.key in seen.orphans and (lot.state, LotState.ORPHANED) in WAYS:
            why = "its block left the best chain after it was mature"
            return self._move(lot, LotState.ORPHANED, why)
        if lot.open_sat and lot.venue in self._desk.venues:
            return self._resolve(lot)
        if lot.state in STANDING:
            fault = self._desk.fault(lot)
            if fault is not None:
                return self._move(lot, fault.state, fault.words, fault.order_number)
        return self._step(lot, seen)

    def _step(self, lot: Lot, seen: _Seen) -> Step:
        match lot.state:
            case LotState.SCREENING:
                return seen.lane.screener.screen(lot)
            case LotState.HELD:
                return ask_again(self._desk, lot)
            case LotState.CLEARED | LotState.SELLING:
                return self._trade(lot, seen)
        if lot.state in WAITING:
            return self._receive(lot, seen.deposits)
        return self._end_or_mend(lot, seen)

    def _trade(self, lot: Lot, seen: _Seen) -> Step:
        """Sell the one lot whose turn it is at its venue."""
        if seen.holder is None:
            seen.holder = lot.key
        if seen.holder != lot.key:
            seen.lane.queued.add(lot.key)
            return Look(LOOK_S)
        seen.lane.queued.discard(lot.key)
        if lot.state is LotState.CLEARED:
            return self._seller.begin(lot)
        return self._seller.sell(lot)

    def _end_or_mend(self, lot: Lot, seen: _Seen) -> Step:
        if lot.state is LotState.SOLD:
            self._pay(lot)
        elif lot.state is LotState.ORPHANED and lot.key not in seen.orphans:
            return self._come_back(lot)
        elif lot.state in FAULTS and self._desk.fault(lot) is None:
            return self._mend(lot)
        return Look(LOOK_S)

    def _receive(self, lot: Lot, deposits: Deposits | float | Look) -> Step:
        if isinstance(deposits, (float, Look)):
            return deposits
        now_us = self._desk.now_us()
        rule = self._desk.orders().sale_at(now_us).rule
        moved = receive(self._desk, lot, deposits, rule.deposit_overdue_s)
        return moved or Look(DEPOSITS_S, why_waits(lot, deposits, now_us))

    def _resolve(self, lot: Lot) -> Step:
        """Find out about an open order, whatever its lot's state is."""
        with self._desk.read() as connection:
            order = trading.open_order(connection, lot)
        if order is None:
            return 0.0
        return self._seller.resolve(lot, order, self._desk.venues[lot.venue])

    def _pay(self, lot: Lot) -> None:
        """Settle what a lot brought; one of which nothing was sold brought nothing."""
        with self._desk.transact() as connection:
            if lot.sold_sat:
                self._settle(connection, lot)
            else:
                move(connection, lot, LotState.SETTLED, "nothing of it was sold",
                     self._desk.now_us())  # fmt: skip
        log.info("lot settled", lot=lot.reference)

    def _come_back(self, lot: Lot) -> Lot:
        credited = lot.credited_at is not None
        goes_to = LotState.SCREENING if credited else LotState.AWAITING_DEPOSIT
        return self._move(lot, goes_to, "its block is back on the best chain")

    def _mend(self, lot: Lot) -> Lot:
        with self._desk.transact() as connection:
            before = came_from(connection, lot) or LotState.AWAITING_DEPOSIT
            return move(connection, lot, before, "venue and licence are in force again",
                        self._desk.now_us())  # fmt: skip

    def _move(self, lot: Lot, goes_to: LotState, why: str, order_number: int | None = None) -> Lot:
        now_us = self._desk.now_us()
        with self._desk.transact() as connection:
            moved = move(connection, lot, goes_to, why, now_us, order_number=order_number)
        log.warning("lot moved", lot=lot.reference, came_from=lot.state, goes_to=goes_to, why=why)
        return moved
