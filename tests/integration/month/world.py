"""A month of the system at speed: its books, sale, bank and cabinet in this process, one clock.

Blocks are entered as settlement enters them; what follows (lots, screening, venues, settlement of
each lot, ledger) is the real code on a real PostgreSQL. The ledger stamps its lines with the
database's own time, so that is led by the test's clock too.
"""

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa

from kench.pool.clock import ManualClock
from kench.pool.database import Role
from kench.pool.moments import midnight_us, moment_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.register import load_orders
from kench.sale.machine import LotState
from tests.sale.world import MATURE_SAT, World, quick_engine, rules
from tests.support.browser import aside
from tests.support.registers import accept_orders, verifier

BEGINS = date(2026, 2, 9)
"""A Monday: applications are made, and decided before the month begins."""
MONTH = "2026-03"
FIRST_DAY = date(2026, 3, 1)
DAYS = 31
BLOCKS = 200
SECOND_US = 1_000_000
SALE = {"daily_cap_sat": 200_000_000_000, "slice_sat": 200_000_000}
STILL = {LotState.HELD, LotState.REFUSED, LotState.HALTED}
"""Lots that wait for officers."""
_LED = "SELECT set_config('kench.led_by', CAST(:moment AS text), true)"
_LEAD = """
    ALTER TABLE transfers ALTER COLUMN created_at
        SET DEFAULT coalesce(nullif(current_setting('kench.led_by', true), '')::timestamptz, now())
"""


def led_engine(url: str, clock: ManualClock, role: Role | None = None) -> sa.Engine:
    """An engine whose transactions believe the test's clock."""
    engine = quick_engine(url, role)

    def lead(connection: sa.Connection) -> None:
        connection.execute(sa.text(_LED), {"moment": moment_of(clock.now_us()).isoformat()})

    sa.event.listen(engine, "begin", lead)
    return engine


@dataclass
class Month(World):
    """Its books and its sale; participants come by the pages."""

    orders: OrderBook = field(default_factory=lambda: OrderBook.of(()))
    draw: random.Random = field(default_factory=lambda: random.Random("a month"))
    found: int = 0

    def __post_init__(self) -> None:
        with self.owner.begin() as db:
            db.exec_driver_sql(_LEAD)
        self.orders = aside(lambda: accept_orders(self.owner, (1, rules(**SALE))))
        super().__post_init__()

    def read_orders(self) -> None:
        """Take up what officers have ordered meanwhile."""
        with self.owner.connect() as db:
            self.orders = aside(lambda: load_orders(db, verifier(), self.orders))

    def go_to(self, day: date, hour: int = 10) -> None:
        """Let time pass until an hour of a day in Bishkek; what may be sold is sold meanwhile."""
        until_us = midnight_us(day) + hour * 3600 * SECOND_US
        assert until_us >= self.clock.now_us()
        self.sell()
        self.clock.advance((until_us - self.clock.now_us()) / SECOND_US)

    def mine_day(self, participants: Sequence[int], blocks: int) -> list[str]:
        """Find blocks that pay these participants by work drawn at random, and sell their coins."""
        hashes = []
        for rig in self.rigs.values():
            rig.quote(str(8_000_000 + self.draw.randrange(-50_000, 50_000)))
        for _ in range(blocks):
            work = [self.draw.randrange(1, 1000) for _ in participants]
            credits_sat = {
                participant: MATURE_SAT * part // sum(work)
                for participant, part in zip(participants, work, strict=True)
            }
            credits_sat[participants[0]] += MATURE_SAT - sum(credits_sat.values())
            hashes.append(self.block(credits_sat))
            with self.owner.begin() as db:
                db.execute(
                    sa.text("UPDATE blocks SET found_at = :at WHERE hash = :hash"),
                    {"at": moment_of(self.clock.now_us() - 3600 * SECOND_US), "hash": hashes[-1]},
                )
            self.found += 1
        self.sell()
        return hashes

    def sell(self, turns: int = 400) -> None:
        """Work until each lot is at its end, or waits for people."""
        for _ in range(turns):
            self.executor.turn()
            if all(lot.state in STILL for lot in self.unfinished_lots()):
                return
            self.clock.advance(61)
        raise AssertionError(f"not sold: {[lot.state for lot in self.unfinished_lots()]}")


@contextlib.contextmanager
def month_in(database: str) -> Iterator[Month]:
    """A month about to begin, in a fresh database."""
    clock = ManualClock(midnight_us(BEGINS) + 10 * 3600 * SECOND_US)
    owner, seller = led_engine(database, clock), led_engine(database, clock, Role.SELL)
    yield Month(owner, seller, clock=clock)
    owner.dispose()
    seller.dispose()
