"""Faults put into the product by hand: stories that find none of them would be worth nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from kench.payouts import booking, follow, settle
from kench.payouts.bank import make, take
from kench.payouts.bank.outcomes import Outcome, PayoutState
from kench.pool import lease
from kench.pool.journal import segment
from kench.sale import deposits, executor, selling, trading
from kench.sale.lots import Lot
from kench.sale.trading import IntentState

Mutate = Callable[[pytest.MonkeyPatch], None]


def _position_left(patch: pytest.MonkeyPatch) -> None:
    """A chunk is booked, and its position not moved."""
    patch.setattr(settle, "move_position", lambda *_: None)


def _two_settlements(patch: pytest.MonkeyPatch) -> None:
    """Everybody has the lease, and positions are moved without comparing."""

    def move(connection: sa.Connection, instance: int, _start: int, end: Any, repeats: int) -> None:
        table = settle.tables.journal_positions
        connection.execute(
            sa.update(table).where(table.c.instance == instance)
            .values(**end._asdict(), repeats=table.c.repeats + repeats)
        )  # fmt: skip

    def take(self: lease.Lease) -> bool:
        self._epoch = 1
        self._watched.hold(float("inf"))
        return True

    patch.setattr(lease.Lease, "take", take)
    patch.setattr(lease.Lease, "renew", lambda _self: True)
    patch.setattr(lease.Lease, "fence", lambda _self, _connection: None)
    patch.setattr(settle, "move_position", move)
    patch.setattr(settle.Journals, "place", _trusting_place(settle.Journals.place))


def _trusting_place(place: Callable[..., bool]) -> Callable[..., bool]:
    """Where a lane stands is asked of the books once, and remembered from then on."""

    def trusting(self: Any, positions: Any) -> bool:
        fresh = {number: one for number, one in positions.items() if number not in self._lanes}
        return place(self, fresh) if fresh else False

    return trusting


def _memory_trusted(patch: pytest.MonkeyPatch) -> None:
    """After a failure settlement goes on from what it remembers of its positions."""
    patch.setattr(settle.Journals, "place", _trusting_place(settle.Journals.place))
    patch.setattr(settle.Journals, "forget", lambda _self: None)


def _void_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A block that left the chain stays pended."""
    act = follow._act

    def forgetful(connection: sa.Connection, finding: follow.Finding) -> None:
        if finding.action is not follow.Action.VOID:
            act(connection, finding)

    patch.setattr(follow, "_act", forgetful)


def _mature_too_soon(patch: pytest.MonkeyPatch) -> None:
    """A reward is posted one confirmation early."""
    decide = follow._decide_on_chain
    patch.setattr(follow, "_decide_on_chain",
                  lambda block, deep, mature: decide(block, deep, mature - 1))  # fmt: skip


def _repeat_credited(patch: pytest.MonkeyPatch) -> None:
    """A chunk's totals are added twice where one has several shares in it."""
    write = booking.write_totals

    def twice(connection: sa.Connection, totals: Any) -> None:
        write(connection, totals)
        if any(total.accepted > 1 for total in totals.values()):
            write(connection, totals)

    patch.setattr(settle, "write_totals", twice)


def _tail_kept(patch: pytest.MonkeyPatch) -> None:
    """What a killed front tore stays at the journal's end."""
    patch.setattr(segment, "_cut", lambda *_: None)


def _sent_again(patch: pytest.MonkeyPatch) -> None:
    """An order without an answer counts as not placed, and its coins are offered anew."""

    def resolve(self: Any, lot: Lot) -> float:
        with self._desk.transact() as connection:
            order = trading.open_order(connection, lot)
            if order is not None:
                now_us = self._desk.now_us()
                trading.end(connection, order, IntentState.NOT_PLACED, now_us, "no answer")
        return 0.0

    patch.setattr(executor.Executor, "_resolve", resolve)


def _no_grace(patch: pytest.MonkeyPatch) -> None:
    """An order that the venue does not know yet counts as not placed before it must have died."""
    patch.setattr(selling, "GRACE_S", -100.0)


def _end_before_fills(patch: pytest.MonkeyPatch) -> None:
    """An order's end is committed, then what it sold."""
    close = selling.Seller._close

    def hasty(self: Any, lot: Lot, order: Any, view: Any, found: Any) -> Any:
        with self._desk.transact() as connection:
            trading.end(connection, order, IntentState.CANCELLED, self._desk.now_us())
        return close(self, lot, order, view, found)

    patch.setattr(selling.Seller, "_close", hasty)


def _fill_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Of several trades of an order the last is not booked."""
    book = trading.book_fills

    def forgetful(connection: Any, lot: Any, order: Any, found: Any, now_us: int) -> int:
        return book(connection, lot, order, found[:-1] if len(found) > 1 else found, now_us)

    patch.setattr(trading, "book_fills", forgetful)


def _refused_too_soon(patch: pytest.MonkeyPatch) -> None:
    """An order whose answer was lost counts as refused by the venue."""
    send = selling.Seller._send

    def certain(self: Any, lot: Lot, order: Any, venue: Any) -> Any:
        step = send(self, lot, order, venue)
        if isinstance(step, selling.Look):
            self._end_unsold(lot, order, IntentState.REJECTED, "no answer")
        return step

    patch.setattr(selling.Seller, "_send", certain)


def _deposit_believed(patch: pytest.MonkeyPatch) -> None:
    """A deposit that is only seen counts as credited."""
    judge = deposits._judge

    def credulous(lot: Any, told: Any, *rest: Any) -> Any:
        if told is not None:
            return deposits.LotState.SCREENING, "seen"
        return judge(lot, told, *rest)

    patch.setattr(deposits, "_judge", credulous)


def _payout_unreserved(patch: pytest.MonkeyPatch) -> None:
    """A batch's money stays in the balance, and is paid again by the next batch."""
    patch.setattr(make, "_pend", lambda *_: None)


def _return_is_rejection(patch: pytest.MonkeyPatch) -> None:
    """A payment that the bank rejected is left as if it were on its way."""
    patch.setitem(take.STATES, Outcome.REJECTED, PayoutState.PENDED)


MUTATIONS: dict[str, Mutate] = {
    "position left": _position_left,
    "two settlements": _two_settlements,
    "memory trusted": _memory_trusted,
    "void forgotten": _void_forgotten,
    "mature too soon": _mature_too_soon,
    "totals added twice": _repeat_credited,
    "torn tail kept": _tail_kept,
    "order sent again": _sent_again,
    "no grace for late orders": _no_grace,
    "order ended before its fills": _end_before_fills,
    "last fill forgotten": _fill_forgotten,
    "lost answer is a refusal": _refused_too_soon,
    "deposit believed when seen": _deposit_believed,
    "payout not reserved": _payout_unreserved,
    "rejection forgotten": _return_is_rejection,
}
