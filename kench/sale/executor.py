"""The executor: each turn takes every lot as far as it can go now, and no further.

It keeps nothing that a restart may not lose: where a lot is, is in its row; what was offered, in
its intents. Only when to look again is remembered, to leave venues and providers in peace.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog

from kench.pool.clock import Clock
from kench.pool.orders.book import NoOrderError
from kench.sale import trading
from kench.sale.deposits import WAITING, Deposits, read_deposits, receive
from kench.sale.desk import Desk
from kench.sale.lots import (
    Lot,
    LotKey,
    LotMovedError,
    Step,
    came_from,
    move,
    read_lot,
    read_unfinished,
)
from kench.sale.machine import FINAL, STANDING, WAYS, LotState
from kench.sale.making import UnmadeLotsError, make_lots
from kench.sale.screened import ask_again, screen
from kench.sale.screening.port import ScreeningUncertainError
from kench.sale.selling import Seller
from kench.sale.venues.port import VenueBusyError, VenueError

RETRY_MIN_S = 2.0
RETRY_MAX_S = 300.0
LOOK_S = 10.0
"""Between two looks at a lot that waits for something outside."""
DEPOSITS_S = 10.0
"""Between two questions for a venue's deposits."""
STEPS_MAX = 8
"""Steps of one lot in one turn."""
BLOCKS_MAX = 100
"""Blocks whose lots are made in one turn."""
SKIPPED_MAX = 1000
"""Blocks without lots that are left aside until a restart, each said in the log."""
HOLDS_VENUE = frozenset({LotState.SELLING, LotState.HALTED, LotState.VENUE_DISAGREES})
"""A venue sells one lot at a time; one that stands still keeps the others from being offered."""
FAULTS = frozenset({LotState.LICENCE_LAPSED, LotState.DELISTED})

log = structlog.get_logger("kench.sale")
Settle = Callable[[sa.Connection, Lot], object]


@dataclass(slots=True)
class _Due:
    at_s: float
    version: int
    failures: int = 0


@dataclass(slots=True)
class _Seen:
    """What a turn knows besides each lot."""

    deposits: Mapping[str, Deposits]
    """What each venue told."""
    orphans: set[LotKey]
    """Lots whose block is not on the best chain."""
    holders: dict[str, LotKey] = field(default_factory=dict)
    """The lot whose turn it is at each venue."""


class Schedule:
    """When each lot is looked at again; one that moved is due at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[LotKey, _Due] = {}

    def is_due(self, lot: Lot) -> bool:
        """Whether a lot is to be looked at now."""
        due = self._due.get(lot.key)
        return due is None or due.version != lot.version or self._clock.monotonic() >= due.at_s

    def later(self, lot: Lot, seconds: float) -> None:
        """Look again after `seconds`."""
        self._due[lot.key] = _Due(self._clock.monotonic() + seconds, lot.version)

    def failed(self, lot: Lot, at_least_s: float = 0.0) -> float:
        """Look again after a while that doubles with each failure; return the seconds."""
        due = self._due.get(lot.key)
        failures = due.failures + 1 if due is not None and due.version == lot.version else 1
        wait_s = max(at_least_s, min(RETRY_MAX_S, RETRY_MIN_S * 2.0 ** min(failures - 1, 16)))
        self._due[lot.key] = _Due(self._clock.monotonic() + wait_s, lot.version, failures)
        return wait_s

    def keep(self, lots: Mapping[LotKey, Lot]) -> None:
        """Forget lots that are at an end."""
        for key in self._due.keys() - lots.keys():
            del self._due[key]


class Executor:
    """Moves lots, one step each, until they are settled or people must look."""

    def __init__(self, desk: Desk, settle: Settle) -> None:
        self._desk = desk
        self._settle = settle
        self._seller = Seller(desk)
        self._schedule = Schedule(desk.clock)
        self._skipped: set[str] = set()
        self._asked_s: dict[str, float] = {}

    def turn(self) -> int:
        """Look at every lot that is due; return how many there were to look at."""
        self._make_lots()
        with self._desk.read() as connection:
            found = read_unfinished(connection)
        self._schedule.keep({lot.key: lot for lot, _ in found})
        due = [lot for lot, _ in found if self._schedule.is_due(lot)]
        seen = _Seen(self._ask_deposits(due), {lot.key for lot, is_orphan in found if is_orphan})
        for lot, _ in found:
            if lot.state in HOLDS_VENUE:
                seen.holders.setdefault(lot.venue, lot.key)
        for lot in due:
            self._take_along(lot, seen)
        return len(due)

    def _take_along(self, lot: Lot, seen: _Seen) -> None:
        """Take one lot step by step for as long as it moves."""
        current = lot
        for _ in range(STEPS_MAX):
            moved = self._guarded(current, seen)
            if moved is None:
                return
            current = moved
            if current.state not in HOLDS_VENUE and seen.holders.get(lot.venue) == lot.key:
                del seen.holders[lot.venue]
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

    def _ask_deposits(self, due: list[Lot]) -> dict[str, Deposits]:
        """Ask each venue once for what its lots wait for."""
        waiting: dict[str, list[Lot]] = defaultdict(list)
        for lot in due:
            if lot.state in WAITING and lot.venue in self._desk.venues:
                waiting[lot.venue].append(lot)
        now_s = self._desk.clock.monotonic()
        answers: dict[str, Deposits] = {}
        for venue, lots in waiting.items():
            if now_s - self._asked_s.get(venue, float("-inf")) < DEPOSITS_S:
                continue
            self._asked_s[venue] = now_s
            try:
                answers[venue] = read_deposits(self._desk, venue, lots)
            except VenueError as trouble:
                log.warning("deposits not told", venue=venue, why=str(trouble))
        return answers

    def _guarded(self, lot: Lot, seen: _Seen) -> Lot | None:
        """Advance a lot and return it as it is now, where it can go on at once.

        What a venue, a provider or an officer does meanwhile is expected.
        """
        try:
            step = self._advance(lot, seen)
        except LotMovedError:
            return None  # it is due at once, as its version is another
        except VenueBusyError as busy:
            self._schedule.failed(lot, min(busy.retry_after_s, RETRY_MAX_S))
        except (VenueError, ScreeningUncertainError, NoOrderError) as trouble:
            wait_s = self._schedule.failed(lot)
            log.warning("lot waits", lot=lot.reference, state=lot.state, why=str(trouble),
                        retry_s=wait_s)  # fmt: skip
        else:
            if isinstance(step, Lot):
                return step
            self._schedule.later(lot, step)
            if step <= 0:
                with self._desk.read() as connection:
                    return read_lot(connection, lot.key)
        return None

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
                return screen(self._desk, lot)
            case LotState.HELD:
                return ask_again(self._desk, lot)
            case LotState.CLEARED | LotState.SELLING:
                return self._trade(lot, seen)
        if lot.state in WAITING:
            return self._receive(lot, seen.deposits)
        return self._end_or_mend(lot, seen)

    def _trade(self, lot: Lot, seen: _Seen) -> Step:
        """Sell the one lot whose turn it is at its venue."""
        holder = seen.holders.setdefault(lot.venue, lot.key)
        if holder != lot.key:
            return LOOK_S
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
        return LOOK_S

    def _receive(self, lot: Lot, deposits: Mapping[str, Deposits]) -> Step:
        if lot.venue not in deposits:
            return RETRY_MIN_S
        rule = self._desk.orders().sale_at(self._desk.now_us()).rule
        moved = receive(self._desk, lot, deposits[lot.venue], rule.deposit_overdue_s)
        return moved or LOOK_S

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
