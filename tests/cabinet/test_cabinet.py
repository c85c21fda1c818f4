"""Connections that only read: no transaction is begun on them, and none is missing after."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from kench.cabinet.cabinet import Reading
from kench.pool.database import open_engine

IN_TRANSACTION = sa.text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
WRITE = sa.text("INSERT INTO acts (at, act, subject, outcome, address, detail) "
                "VALUES (now(), 'login', 'x', 'done', '', '')")  # fmt: skip
COUNT = sa.text("SELECT count(*) FROM acts")


def test_each_statement_is_a_transaction_by_itself_and_the_connection_goes_back_as_it_came(
    database: str,
) -> None:
    engine = open_engine(database, application_name="test", pool_size=1)
    with Reading(engine).connect() as db:
        db.execute(WRITE)
        assert not db.scalar(IN_TRANSACTION)
    with engine.connect() as db:
        assert db.scalar(COUNT) == 1
        db.execute(WRITE)
        assert db.scalar(IN_TRANSACTION)
    with engine.connect() as db:
        assert db.scalar(COUNT) == 1
    engine.dispose()


def test_one_that_is_lost_while_it_is_read_from_is_replaced(database: str) -> None:
    engine = open_engine(database, application_name="test", pool_size=1)
    other = open_engine(database, application_name="test")
    with pytest.raises(OperationalError):
        read_on_after_its_end(engine, other)
    with Reading(engine).connect() as db:
        assert db.scalar(COUNT) == 0
    engine.dispose()
    other.dispose()


def read_on_after_its_end(engine: sa.Engine, other: sa.Engine) -> None:
    with Reading(engine).connect() as db:
        pid = db.scalar(sa.text("SELECT pg_backend_pid()"))
        with other.connect() as killing:
            killing.execute(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
        db.execute(COUNT)
