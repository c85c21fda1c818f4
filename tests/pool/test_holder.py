"""Of the processes that want to do one work, one does; what ends its hold ends its lock."""

import threading
import time

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from kench.pool.backoff import RETRY_MIN_S, Backoff
from kench.pool.clock import ManualClock
from kench.pool.errors import KenchError
from kench.pool.holder import Holder

KEY = 7


def is_free(engine: sa.Engine) -> bool:
    with engine.begin() as connection:
        lock = sa.func.pg_try_advisory_xact_lock(KEY)
        return bool(connection.execute(sa.select(lock)).scalar_one())


def becomes_free(engine: sa.Engine) -> bool:
    """Whether PostgreSQL lets go of the lock, which it does some time after a connection closed."""
    deadline = time.monotonic() + 10
    while not is_free(engine):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_lost_connection_is_made_again_and_each_loss_is_waited_for_anew(
    engine: sa.Engine,
) -> None:
    stop, turns = threading.Event(), []

    def work(connection: sa.Connection) -> None:
        turns.append(is_free(engine))
        if len(turns) == 3:
            stop.set()
            return
        connection.execute(sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid())))

    with capture_logs() as logs:
        Holder(engine, KEY, "test", Backoff(ManualClock())).run(stop, work)
    assert turns == [False] * 3, "it works under the lock alone"
    assert [entry["retry_s"] for entry in logs] == [RETRY_MIN_S] * 2
    assert becomes_free(engine)


def test_an_error_of_the_work_ends_the_hold_and_is_its_callers(engine: sa.Engine) -> None:
    def work(_connection: sa.Connection) -> None:
        raise KenchError("people must look")

    with pytest.raises(KenchError, match="people must look"):
        Holder(engine, KEY, "test", Backoff(ManualClock())).run(threading.Event(), work)
    assert becomes_free(engine)
