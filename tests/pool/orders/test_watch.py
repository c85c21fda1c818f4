"""A running process follows orders as they are accepted, and nothing else that is written there."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from kench.pool.database import Role, open_engine
from kench.pool.orders.book import OrderBook
from kench.pool.orders.register import OrderUnsoundError
from kench.pool.orders.watch import OrderWatch
from kench.pool.signature.verifier import Signer
from tests.support.registers import accept_orders, unguarded, verifier
from tests.support.waiting import await_that

FEE = {"fee": {"pool_ppm": 5}}
WAIT_S = 20.0


@pytest.fixture
def watch(database: str) -> Iterator[OrderWatch]:
    """One of a process that may only read the orders."""
    reader = open_engine(database, Role.STRATUM, application_name="test")
    watch = OrderWatch(reader, verifier())
    yield watch
    watch.stop()
    reader.dispose()


def test_before_any_order_there_is_an_empty_book(watch: OrderWatch) -> None:
    assert watch.book.newest == 0
    assert watch.load() == OrderBook()


def test_a_new_order_is_told_within_seconds(watch: OrderWatch, engine: sa.Engine) -> None:
    accept_orders(engine)
    assert watch.load().newest == 1
    told: list[int] = []
    watch.start(lambda book: told.append(book.newest))
    accept_orders(engine, (9, FEE))
    await_that(lambda: told, WAIT_S)
    assert told == [2]
    assert [watch.book.fee_at(height).order for height in (8, 9)] == [1, 2]


TAMPERINGS = {
    "an order's bytes": "UPDATE orders SET content = content || ' '::bytea, content_sha256 ="
                        " sha256(content || ' '::bytea) WHERE number = 1",
    "a signature": "UPDATE order_signatures SET signature = (SELECT signature FROM"
                   " order_signatures WHERE order_id = 2 LIMIT 1) WHERE order_id = 1",
    "a signature less": "DELETE FROM order_signatures WHERE order_id = 2 AND officer_id = 1",
    "an acceptance less": "DELETE FROM order_acceptances WHERE number = 2",
    "all acceptances": "DELETE FROM order_acceptances",
    "another tip": "UPDATE order_acceptances SET tip_height = 10000",
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_database_that_was_tampered_with_changes_nothing_and_is_an_alarm(
    watch: OrderWatch, engine: sa.Engine, what: str
) -> None:
    accept_orders(engine, (1, FEE), (9, FEE))
    sound = watch.load()
    with unguarded(engine) as connection:
        assert connection.execute(sa.text(TAMPERINGS[what])).rowcount
    fresh = OrderWatch(engine, verifier())
    if "acceptance" not in what:
        # Without a memory, what is missing at the end is not known to be missing.
        with pytest.raises(OrderUnsoundError):
            fresh.load()
    if what.startswith(("a signature",)):
        # Signatures of orders that are known byte for byte were checked when they were loaded.
        return
    with capture_logs() as logs:
        watch.look()
        watch.look()
    assert watch.book == sound
    assert watch.fault is not None
    assert [entry["log_level"] for entry in logs] == ["critical"], "said once"


class Broken:
    """A verifier with a fault of its own."""

    def verify(self, *_: object) -> Signer:
        """Break."""
        raise ZeroDivisionError("a fault of the program")


def test_what_breaks_the_watch_is_an_alarm_and_it_goes_on(database: str, engine: sa.Engine) -> None:
    watch = OrderWatch(engine, Broken())
    watch.load()
    watch.start()
    accept_orders(engine)
    try:
        await_that(lambda: "ZeroDivisionError" in str(watch.fault), WAIT_S)
        with unguarded(engine) as connection:
            connection.execute(sa.text("DELETE FROM order_acceptances"))
        await_that(lambda: watch.fault is None, WAIT_S)
    finally:
        watch.stop()


def test_a_fault_that_is_mended_is_over(watch: OrderWatch, engine: sa.Engine) -> None:
    accept_orders(engine)
    watch.load()
    for height, has_fault in ((10_000, True), (0, False)):
        with unguarded(engine) as connection:
            connection.execute(sa.text(f"UPDATE order_acceptances SET tip_height = {height}"))
        watch.look()
        assert (watch.fault is not None) is has_fault


def test_while_the_database_is_away_the_book_stays_without_an_alarm(
    watch: OrderWatch, engine: sa.Engine
) -> None:
    accept_orders(engine)
    watch.load()
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE order_acceptances RENAME TO elsewhere"))
    with capture_logs() as logs:
        watch.look()
        watch.look()
    assert (watch.book.newest, watch.fault) == (1, None)
    assert [entry["log_level"] for entry in logs] == ["warning"], "said once"
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO order_acceptances"))
    accept_orders(engine, (9, FEE))
    watch.look()
    assert watch.book.newest == 2
