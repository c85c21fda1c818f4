"""A provider or a venue that hangs delays what it was asked about, and nothing else."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.pool.api_key import ApiKey
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import Role, open_engine
from kench.sale.executor import Executor
from kench.sale.lanes import InPlace, Lane
from kench.sale.screened import ASKED_MAX, Screener
from kench.sale.screening.http import HttpScreening
from kench.sale.screening.port import Check, Transfer
from kench.sale.settling import settle
from kench.sale.venues.paper import PaperVenue
from kench.sale.venues.port import Book
from kench.sale.venues.web import Web
from kench.screening.provider import LocalProvider, Rule
from kench.screening.server import ScreeningServer
from tests.sale.world import World, book_of, quick_engine, rules
from tests.support.venues import DirectVenue
from tests.support.web import serving
from tests.support.web_servers import answering, read_request

KEY, SECRET = "kench", "not a secret"
LIMIT_S = 60.0
SAT = 10**7


@pytest.fixture
def world(database: str) -> Iterator[World]:
    owner = quick_engine(database)
    seller = open_engine(database, Role.SELL, application_name="kench sell", pool_size=6)
    yield World(owner, seller)
    owner.dispose()
    seller.dispose()


@dataclass
class Hanging:
    """A server that reads questions and answers none until it is let go."""

    url: str
    asked: threading.Event
    let_go: threading.Event


@contextlib.contextmanager
def hanging() -> Iterator[Hanging]:
    asked, let_go = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        asked.set()
        let_go.wait(LIMIT_S)

    with answering(talk) as url:
        try:
            yield Hanging(url, asked, let_go)
        finally:
            let_go.set()


@contextlib.contextmanager
def threaded(world: World) -> Iterator[Executor]:
    """The world's executor as `kench sell` has it: a thread for each lane, some for checks."""
    with ThreadPoolExecutor(4) as lanes, ThreadPoolExecutor(2) as checks:
        executor = Executor(world.desk(), settle(lambda: world.orders, world.clock), lanes, checks)
        yield executor
        executor.close()


def turn_until(world: World, executor: Executor, holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(round(LIMIT_S / 0.02)):
        executor.turn()
        if holds():
            return
        world.clock.advance(7)
        pause.wait(0.02)
    pytest.fail(f"lots are {[(lot.venue, lot.state) for lot in world.lots()]}")


@dataclass
class Fork:
    """One provider whose questions about one transaction go to another address."""

    hung: HttpScreening
    good: HttpScreening
    txid: str
    provider: str = "local"

    def register(self, transfer: Transfer) -> str:
        return (self.hung if transfer.txid == self.txid else self.good).register(transfer)

    def get(self, check_id: str) -> Check:
        return self.good.get(check_id)


def test_a_check_that_hangs_delays_no_other_lot(world: World) -> None:
    hung_block = world.block({1: SAT}, weights={"paper": SAT})
    others = [world.block({1: SAT}, weights={"paper": SAT}) for _ in range(3)]
    server = ScreeningServer(LocalProvider([Rule(polls=0)]), KEY, SECRET, SystemClock())
    with hanging() as silent, serving(server.app) as url:
        hung, good = (
            HttpScreening("local", at, KEY, SECRET, SystemClock(), timeout_s=LIMIT_S)
            for at in (silent.url, url)
        )
        world.screening = Fork(hung, good, world.txid_of(1))  # type: ignore[assignment]
        with threaded(world) as executor:
            turn_until(
                world, executor, lambda: all(world.lot(one).state == "settled" for one in others)
            )
            assert silent.asked.is_set()
            assert world.lot(hung_block).state == "screening"
            silent.let_go.set()
            turn_until(world, executor, lambda: world.lot(hung_block).state == "held")
        hung.close()
        good.close()


def test_a_venue_that_hangs_delays_no_sale_at_another(world: World, tmp_path: Path) -> None:
    block = world.block({1: 2 * SAT}, weights={"other": SAT, "paper": SAT})
    with hanging() as silent:
        web = Web("other", SystemClock(), LIMIT_S)
        world.rigs["other"].venue = PaperVenue(  # type: ignore[assignment]
            "other", silent.url, ApiKey("kench", SECRET), web, SystemClock()
        )
        with threaded(world) as executor:
            turn_until(world, executor, lambda: world.lot(block, 1).state == "settled")
            assert silent.asked.is_set()
            assert world.lot(block, 0).state == "awaiting_deposit"
            silent.let_go.set()
        web.close()


def test_venues_that_sell_at_once_keep_to_the_days_cap_together(world: World) -> None:
    world.orders = book_of((1, rules(daily_cap_sat=SAT, slice_sat=SAT)))
    block = world.block({1: 4 * SAT}, weights={"other": 2 * SAT, "paper": 2 * SAT})
    both = threading.Barrier(2)

    class Together(DirectVenue):
        """A venue whose book is told when the other venue's is asked for too."""

        def book(self) -> Book:
            told = super().book()
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(LIMIT_S)
            both.abort()
            return told

    for name, rig in world.rigs.items():
        rig.venue = Together(rig.exchange, world.clock, name)
    with threaded(world) as executor:
        turn_until(
            world, executor, lambda: both.broken and any(lot.sold_sat for lot in world.lots())
        )
        for _ in range(20):
            executor.turn()
            world.clock.advance(7)
    lots = [world.lot(block, vout) for vout in (0, 1)]
    assert sum(lot.sold_sat + lot.open_sat for lot in lots) == SAT


def test_a_lot_has_its_turn_as_soon_as_the_one_before_is_at_an_end(world: World) -> None:
    world.orders = book_of((1, rules(interval_s=1, slice_sat=SAT)))
    for _ in range(5):
        world.block({1: SAT}, weights={"paper": SAT})
    world.run(turns=7, seconds=1.0)
    assert [lot.state.value for lot in world.lots()] == ["settled"] * 5


def test_what_a_lane_ended_with_is_raised_where_it_is_looked_at_next(world: World) -> None:
    lane = Lane("paper", ManualClock(), Screener(world.desk(), InPlace()))
    with ThreadPoolExecutor(1) as threads:
        lane.start(threads, lambda: None)
        lane.join()
        assert lane.is_free()
        begun = threading.Event()

        def fail() -> None:
            begun.wait(LIMIT_S)
            raise sa.exc.OperationalError("gone", None, Exception())

        lane.start(threads, fail)
        assert not lane.is_free()
        begun.set()
        lane.join()
        with pytest.raises(sa.exc.OperationalError):
            lane.is_free()
        assert lane.is_free()


def test_more_lots_than_may_be_asked_about_wait_for_their_turn(world: World) -> None:
    for _ in range(3):
        world.block({1: SAT}, weights={"paper": SAT})
    screener = Screener(world.desk(), InPlace())
    screener._asked = dict.fromkeys([(str(n), 0) for n in range(ASKED_MAX)])  # type: ignore[arg-type]
    world.executor._make_lots()
    assert isinstance(screener.screen(world.lots()[0]), float)
    assert len(screener._asked) == ASKED_MAX
    screener.keep(set())
    assert not screener._asked
