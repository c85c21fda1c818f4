"""Of the processes that want to do one work, one does; a stale one commits nothing."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from kench.pool.backoff import RETRY_MIN_S, Backoff
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.errors import KenchError
from kench.pool.holder import Holder
from kench.pool.lease import Lease, LeaseLostError, Work

LIMIT_S = 20.0
TTL_S = 10.0
WRITE = sa.text("INSERT INTO journal_positions (instance, next_sequence) VALUES (:n, 0)")
MOVE = sa.text("UPDATE journal_positions SET next_sequence = next_sequence + 1")
COUNT = sa.text("SELECT count(*) FROM journal_positions")


@pytest.fixture
def settle(database: str) -> Iterator[sa.Engine]:
    """With the rights of settlement."""
    made = open_engine(database, Role.SETTLE, application_name="settle", pool_size=6)
    yield made
    made.dispose()


def lease_of(engine: sa.Engine, name: str, clock: ManualClock) -> Lease:
    return Lease(engine, Work.SETTLE, name, TTL_S, clock)


def holder_of(engine: sa.Engine, name: str, lease_s: float = 2.0) -> Holder:
    clock = SystemClock()
    return Holder(engine, Work.SETTLE, clock, Backoff(clock), lease_s=lease_s, name=name)


def running(holder: Holder, stop: threading.Event, work: Callable[[], None]) -> "threading.Thread":
    thread = threading.Thread(target=holder.run, args=[stop, work], daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(LIMIT_S)
    return not thread.is_alive()


def test_a_lease_is_taken_once_renewed_and_let_go(settle: sa.Engine) -> None:
    clock = ManualClock()
    first, second = lease_of(settle, "first", clock), lease_of(settle, "second", clock)
    assert first.take()
    assert not second.take()
    clock.advance(TTL_S / 2)
    assert first.renew()
    clock.advance(TTL_S * 0.9)
    assert first.is_held
    assert not second.take(), "it was renewed since it was seen first"
    assert first.release()
    assert not first.is_held
    assert second.take()
    assert second.epoch == 2
    assert not first.renew()
    first.close()
    second.close()


def test_one_that_says_nothing_is_waited_for_by_our_own_clock_then_ended(
    settle: sa.Engine, engine: sa.Engine
) -> None:
    clock = ManualClock()
    stale, next_one = lease_of(settle, "stale", clock), lease_of(settle, "next", clock)
    assert stale.take()
    with settle.connect() as connection:
        connection.begin()
        stale.fence(connection)
        connection.execute(WRITE, {"n": 1})
        assert not next_one.take()
        clock.advance(TTL_S - 0.1)
        assert not next_one.take()
        clock.advance(0.1)
        assert not stale.is_held
        assert next_one.take(), "what the stale one had begun was ended"
        with pytest.raises(sa.exc.DBAPIError, match=r"terminating|closed"):
            connection.execute(WRITE, {"n": 2})
        connection.invalidate()
    with engine.connect() as connection:
        assert connection.execute(COUNT).scalar_one() == 0
    with settle.connect() as connection, pytest.raises(LeaseLostError, match="next has the lease"):
        stale.fence(connection)
    next_one.close()


def test_the_next_takes_over_at_once_where_the_connection_of_the_holder_ended(
    settle: sa.Engine,
) -> None:
    clock = ManualClock()
    first, second = lease_of(settle, "first", clock), lease_of(settle, "second", clock)
    assert first.take()
    assert not second.take()
    first.close()
    deadline = time.monotonic() + LIMIT_S
    while not second.take():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second.close()


def test_positions_are_moved_by_no_transaction_that_names_no_epoch_or_an_older_one(
    settle: sa.Engine, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(WRITE, {"n": 1})
    with settle.begin() as connection:
        connection.execute(MOVE)  # nobody has ever had the lease
    clock = ManualClock()
    first, second = lease_of(settle, "first", clock), lease_of(settle, "second", clock)
    assert first.take()
    old = first.epoch
    assert first.release()
    assert second.take()
    with settle.connect() as connection:
        for before in ("SELECT 1", f"SELECT hold_lease(1, {old})"):
            connection.begin()
            connection.exec_driver_sql(before)
            with pytest.raises(sa.exc.DBAPIError, match="not held by this transaction"):
                connection.execute(MOVE)
            connection.rollback()
        with connection.begin():
            second.fence(connection)
            connection.execute(MOVE)
    with engine.begin() as connection:
        connection.execute(MOVE)  # the owner restores and mends
    second.close()


def test_a_role_renews_its_own_leases_alone(settle: sa.Engine) -> None:
    with settle.begin() as connection:
        changed = connection.execute(sa.text("UPDATE leases SET beat = beat + 1"))
        assert changed.rowcount == 1
    for statement in ("DELETE FROM leases", "UPDATE leases SET role = 'kench_settle'"):
        with settle.connect() as connection, pytest.raises(sa.exc.ProgrammingError):
            connection.execute(sa.text(statement))


def test_a_lost_connection_is_made_again_and_each_loss_is_waited_for_anew(
    settle: sa.Engine, engine: sa.Engine
) -> None:
    stop, turns = threading.Event(), []
    holder = holder_of(settle, "one")

    def work() -> None:
        turns.append(1)
        if len(turns) == 3:
            stop.set()
            return
        with holder.engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid())))

    with capture_logs() as logs:
        holder.run(stop, work)
    away = [entry["retry_s"] for entry in logs if entry["event"] == "database away"]
    assert away == [RETRY_MIN_S] * 2
    with engine.connect() as connection:
        seen = connection.execute(sa.text("SELECT epoch, holder FROM leases WHERE number = 1"))
        assert seen.one() == (3, None)


def test_an_error_of_the_work_ends_the_hold_and_is_its_callers(
    settle: sa.Engine, engine: sa.Engine
) -> None:
    def work() -> None:
        raise KenchError("people must look")

    with pytest.raises(KenchError, match="people must look"):
        holder_of(settle, "one").run(threading.Event(), work)
    with engine.connect() as connection:
        free = sa.text("SELECT holder IS NULL FROM leases WHERE number = 1")
        assert connection.execute(free).scalar_one()


def test_a_holder_whose_lease_is_taken_commits_nothing_more_says_whose_it_is_and_stands_by(
    settle: sa.Engine, engine: sa.Engine
) -> None:
    stop, at_work, taken = threading.Event(), threading.Event(), threading.Event()
    holder = holder_of(settle, "first")

    def work() -> None:
        at_work.set()
        assert taken.wait(LIMIT_S)
        with holder.engine.begin() as connection:
            connection.execute(WRITE, {"n": 1})

    with capture_logs() as logs:
        thread = running(holder, stop, work)
        assert at_work.wait(LIMIT_S)
        with engine.begin() as connection:
            taker = "UPDATE leases SET epoch = epoch + 1, holder = 'second' WHERE number = 1"
            connection.execute(sa.text(taker))
        taken.set()
        deadline = time.monotonic() + LIMIT_S
        while not any(entry["event"] == "lease lost, standing by" for entry in logs):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stop.set()
        assert ended(thread)
    lost = next(entry for entry in logs if entry["event"] == "lease lost, standing by")
    assert "second has the lease SETTLE at epoch 2" in lost["why"]
    with engine.connect() as connection:
        assert connection.execute(COUNT).scalar_one() == 0


def test_what_cannot_be_taken_back_is_not_begun_without_the_lease(settle: sa.Engine) -> None:
    stop, seen = threading.Event(), []
    holder = holder_of(settle, "one")

    def work() -> None:
        holder.require()
        seen.append("held")
        stop.set()

    with pytest.raises(LeaseLostError):
        holder.require()
    holder.run(stop, work)
    assert seen == ["held"]
    with pytest.raises(LeaseLostError, match="nothing is sent"):
        holder.require()
