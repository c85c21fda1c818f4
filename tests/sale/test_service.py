"""One process sells, others stand by; a service that is told to stop stops, and goes on later."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from kench.pool.backoff import Backoff
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.holder import Holder
from kench.pool.lease import Lease, LeaseLostError, Work
from kench.sale.executor import Executor
from kench.sale.licences import days_warned, warn_of_licences
from kench.sale.metrics import SellMetrics
from kench.sale.service import RETRY_MAX_S, SaleService
from kench.sale.settling import settle
from tests.sale.world import World, quick_engine
from tests.support.scraping import lines_of

LIMIT_S = 60.0


@pytest.fixture
def seller(database: str) -> Iterator[sa.Engine]:
    engine = open_engine(database, Role.SELL, application_name="kench sell", pool_size=3)
    yield engine
    engine.dispose()


@pytest.fixture
def holder(seller: sa.Engine) -> Holder:
    clock = SystemClock()
    return Holder(seller, Work.SELL, clock, Backoff(clock), lease_s=2.0, name="this one")


@pytest.fixture
def world(database: str, holder: Holder, seller: sa.Engine) -> Iterator[World]:
    owner = quick_engine(database)
    yield World(owner, holder.engine, bare=seller)
    owner.dispose()


def wait_for(world: World, states: list[str]) -> None:
    gate = threading.Event()
    for _ in range(round(LIMIT_S / 0.1)):
        if [lot.state.value for lot in world.lots()] == states:
            return
        world.clock.advance(30)
        gate.wait(0.1)
    pytest.fail(f"lots are {[lot.state for lot in world.lots()]}")


def test_the_one_that_has_the_lease_sells_and_the_next_takes_over(
    world: World, holder: Holder, seller: sa.Engine
) -> None:
    world.block({1: 10**7}, weights={"paper": 10**7})
    service = SaleService(holder, world.desk(), lambda: world.executor)
    stop = threading.Event()
    first = Lease(seller, Work.SELL, "another", 60.0, SystemClock())
    assert first.take()
    thread = threading.Thread(target=service.run, args=[stop])
    thread.start()
    try:
        threading.Event().wait(0.3)
        assert [lot.state.value for lot in world.lots()] == []
        assert first.release()
        first.close()
        wait_for(world, ["settled"])
        world.block({1: 10**7}, credit=False, weights={"paper": 10**7})
        wait_for(world, ["settled", "awaiting_deposit"])
        told = lines_of(SellMetrics(service, {}, world.clock))
        assert {
            "kench_sell_lease_held 1.0", 'kench_sell_lots{state="awaiting_deposit"} 1.0',
            'kench_sell_lots{state="selling"} 0.0', "kench_sell_lots_stuck 0.0",
            'kench_sell_differences{venue="paper"} 0.0',
        } <= told  # fmt: skip
        assert not any("settled" in line for line in told)
    finally:
        stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()
    stands_by = lines_of(SellMetrics(service, {}, world.clock))
    assert "kench_sell_lease_held 0.0" in stands_by
    assert not [line for line in stands_by if line.startswith("kench_sell_lots{")]
    with world.owner.connect() as connection:
        rows = connection.execute(sa.text("SELECT venue, differences FROM reconciliations")).all()
    assert sorted(row.venue for row in rows) == ["other", "paper"]


def test_a_seller_that_may_have_lost_its_lease_sends_nothing_and_the_next_finds_the_intent(
    world: World,
) -> None:
    def lost() -> None:
        raise LeaseLostError("another sells")

    orders = sa.text("SELECT client_id, state FROM venue_orders ORDER BY intended_at, slice")
    world.block({1: 10**7}, weights={"paper": 10**7})
    stale = Executor(
        replace(world.desk(), require_lead=lost), settle(lambda: world.orders, world.clock)
    )

    def sell() -> None:
        for _ in range(60):
            stale.turn()
            world.clock.advance(61)

    with pytest.raises(LeaseLostError):
        sell()
    with world.owner.connect() as connection:
        ((intended, state),) = connection.execute(orders).all()
    venue = world.rigs["paper"].venue
    assert (state, venue.look_up(intended)) == ("intended", None)
    world.restart()
    world.run()
    with world.owner.connect() as connection:
        found = {row.client_id: row.state for row in connection.execute(orders)}
    assert found.pop(intended) == "not_placed"
    assert set(found.values()) == {"filled"}
    assert venue.look_up(intended) is None
    assert [(lot.state.value, lot.sold_sat) for lot in world.lots()] == [("settled", 10**7)]


def test_what_postgresql_refuses_lets_the_executor_end_before_the_wait(
    world: World, holder: Holder
) -> None:
    """Nothing is sent to a venue while the sale waits for people to look."""
    stop, closed = threading.Event(), threading.Event()

    class Refused(Executor):
        def turn(self) -> None:
            raise IntegrityError("", None, Exception("refused"))

        def close(self) -> None:
            super().close()
            closed.set()

    desk = world.desk()
    executor = Refused(desk, settle(lambda: world.orders, world.clock))
    service = SaleService(holder, desk, lambda: executor)
    thread = threading.Thread(target=service.run, args=[stop])
    thread.start()
    # The wait for people is twice as long as this; it ends at once when the sale is to stop.
    assert closed.wait(RETRY_MAX_S / 2)
    stop.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def test_a_licence_that_ends_is_warned_of_thrice_and_once_each(world: World) -> None:
    licence = next(one for one in world.orders.licences_at(world.clock.now_us()).rule)
    day_us = 86_400_000_000
    left = {31: None, 30: 30, 8: 30, 7: 7, 2: 7, 1: 1}
    for days, warned in left.items():
        assert days_warned(licence, licence.until_us - days * day_us) == warned
    assert days_warned(licence, licence.until_us) is None
    given = []
    for days in (40, 30, 29, 7, 6, 1, 0.5):
        world.clock.step((licence.until_us - days * day_us - world.clock.now_us()) / 1e6)
        given.append(warn_of_licences(world.desk()))
    assert given == [0, 2, 0, 2, 0, 2, 0]
