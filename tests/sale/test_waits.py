"""Why a lot stands still is told for as long as it does, and by nothing else."""

import random
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from kench.pool.database import Role
from kench.pool.orders.book import NoOrderError
from kench.sale.lots import LotKey
from kench.sale.planner import Pause
from kench.sale.screening.port import ScreeningUncertainError
from kench.sale.venues import port
from kench.sale.waits import WHAT_TO_DO, Look, Waiting, Why, read_waits, say, why_of
from kench.venue.exchange import Terms, Whim
from tests.sale.world import World, book_of, quick_engine, rules
from tests.support.venues import Fault, FaultyVenue

SAT = 20_000_000


@pytest.fixture
def world(database: str) -> Iterator[World]:
    owner, seller = quick_engine(database), quick_engine(database, Role.SELL)
    yield World(owner, seller)
    owner.dispose()
    seller.dispose()


def one_lot(world: World, *, credit: bool = True) -> str:
    return world.block({1: SAT}, weights={"paper": SAT}, credit=credit)


def wait_of(world: World, block: str) -> Waiting | None:
    with world.owner.connect() as connection:
        return read_waits(connection).get(LotKey(block, 0))


def why(world: World, block: str) -> Why | None:
    waiting = wait_of(world, block)
    return waiting and waiting.why


def test_every_wait_says_what_to_do_and_every_pause_but_the_interval_is_one() -> None:
    assert WHAT_TO_DO.keys() == set(Why)
    assert {pause.value for pause in Pause} - {"interval"} <= {one.value for one in Why}


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (port.VenueUncertainError("x"), Why.VENUE_SILENT),
        (port.VenueDuplicateError("x"), Why.VENUE_SILENT),
        (port.VenueUnreadableError("x"), Why.VENUE_UNREADABLE),
        (port.VenueRefusedError("x"), Why.VENUE_REFUSES),
        (port.VenueBusyError("x", 1.0), Why.VENUE_BUSY),
        (ScreeningUncertainError("x"), Why.PROVIDER_SILENT),
        (NoOrderError("x"), Why.NO_ORDER),
    ],
)
def test_what_a_step_may_end_with_is_a_wait_of_its_own(trouble: Exception, expected: Why) -> None:
    assert why_of(trouble) is expected


def _thin(world: World) -> None:
    world.rigs["paper"].quote("8000000", sat=1_000)


def _one_sided(world: World) -> None:
    world.rigs["paper"].market.set((), ())


def _small_slices(world: World) -> None:
    world.orders = book_of((1, rules(slice_sat=1_000_000)))
    world.rigs["paper"].exchange.terms = Terms(minimum_sat=2_000_000)


def _cap(world: World) -> None:
    world.orders = book_of((1, rules(daily_cap_sat=SAT // 2, slice_sat=SAT // 2, interval_s=1)))


def _refuses(world: World) -> None:
    world.rigs["paper"].whims = lambda: Whim(reject="no")


def _busy(world: World) -> None:
    _put(world, Fault.BUSY)


def _silent(world: World) -> None:
    _put(world, Fault.LOST_QUESTION)


def _put(world: World, fault: Fault) -> None:
    rig = world.rigs["paper"]
    faulty = FaultyVenue(rig.venue, random.Random(1), {fault: 1.0})
    rig.venue = faulty  # type: ignore[assignment]
    world.restart()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_thin, Why.THIN_BOOK),
        (_one_sided, Why.ONE_SIDED),
        (_small_slices, Why.SLICE_TOO_SMALL),
        (_cap, Why.DAILY_CAP),
        (_refuses, Why.SLICE_REFUSED),
        (_busy, Why.VENUE_BUSY),
        (_silent, Why.VENUE_SILENT),
    ],
)
def test_what_keeps_a_sale_is_told_since_when_and_gone_with_it(
    world: World, change: Callable[[World], None], expected: Why
) -> None:
    block = one_lot(world)
    before = world.orders, world.rigs["paper"].venue, world.rigs["paper"].exchange.terms
    change(world)
    world.run(turns=3, seconds=5.0)
    first = wait_of(world, block)
    assert first is not None
    assert first.why is expected
    world.run(turns=2, seconds=5.0)
    assert wait_of(world, block) == first
    rig = world.rigs["paper"]
    world.orders, rig.venue, rig.exchange.terms = before
    rig.whims = Whim
    rig.quote("8000000")
    world.restart()
    world.run(turns=20, seconds=120.0)
    assert world.lot(block).state == "settled"
    with world.owner.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM lot_waits")).scalar_one() == 0


def test_a_deposit_that_is_late_is_told_and_a_usual_one_is_not(world: World) -> None:
    block = one_lot(world, credit=False)
    world.run(turns=3, seconds=15.0)
    assert why(world, block) is None
    world.run(turns=4, seconds=15.0)
    assert why(world, block) is Why.DEPOSIT_UNCREDITED
    world.rigs["paper"].exchange.deposits.clear()
    world.run(turns=2, seconds=15.0)
    assert why(world, block) is Why.DEPOSIT_UNSEEN


def test_a_lot_behind_another_names_it(world: World) -> None:
    first, second = one_lot(world), one_lot(world)
    world.run(turns=1)
    world.rigs["paper"].quote("7000000")
    world.run(turns=3)
    waiting = wait_of(world, second)
    assert waiting is not None
    assert (waiting.why, waiting.words) == (Why.NOT_ITS_TURN, f"after {first}:0, halted")
    assert waiting.since == world.lot(first).changed_at
    assert wait_of(world, first) is None


def test_an_order_without_an_answer_is_told_until_it_is_certain(world: World) -> None:
    block = one_lot(world)
    rig = world.rigs["paper"]
    rig.whims = lambda: Whim(defer_us=30_000_000)
    world.run(turns=4, seconds=5.0)
    assert why(world, block) is Why.ORDER_UNCERTAIN
    assert world.lot(block).open_sat
    rig.whims = Whim
    world.run(turns=8, seconds=5.0)
    assert world.lot(block).sold_sat
    assert wait_of(world, block) is None


def test_a_restart_keeps_since_when_a_lot_waits(world: World) -> None:
    block = one_lot(world)
    _silent(world)
    world.run(turns=2, seconds=5.0)
    first = wait_of(world, block)
    assert first is not None
    for _ in range(3):
        world.restart()
        world.run(turns=3, seconds=5.0)
    assert wait_of(world, block) == first


def test_of_a_lot_that_moved_meanwhile_nothing_is_said(world: World) -> None:
    block = one_lot(world)
    world.executor._make_lots()
    lot = world.lot(block)
    world.run(turns=1)
    assert world.lot(block).version > lot.version
    with world.engine.begin() as connection:
        say(connection, lot, Look(1.0, Why.VENUE_BUSY, "x"), world.clock.now_us())
        assert read_waits(connection) == {}
    now = world.lot(block)
    with world.engine.begin() as connection:
        say(connection, now, Look(1.0, Why.VENUE_BUSY, "x" * 501), world.clock.now_us())
        say(connection, now, Look(1.0, Why.THIN_BOOK, "y"), world.clock.now_us())
        assert read_waits(connection)[LotKey(block, 0)].line.startswith("thin_book since ")
        say(connection, now, Look(1.0), world.clock.now_us())
        assert read_waits(connection) == {}
